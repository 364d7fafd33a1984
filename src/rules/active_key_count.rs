//! `active-key-count`: a user has more active access keys than `max_active_keys`.

use super::input::describe_key;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct ActiveKeyCount;

static META: RuleMeta = RuleMeta {
    name: "active-key-count",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "a user has more active access keys than `max_active_keys`",
    rationale: "Every active key is a door of its own; a second one that nobody retires doubles what can leak.",
    remediation: "Find out by the last use which key is idle, deactivate that one, wait until nothing breaks, then delete it.",
};

impl Rule for ActiveKeyCount {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (entry, user) in facts.listed_users() {
            let Some(max) = entry.limits.max_active_keys else { continue };
            // A rotation has two active keys by its nature.
            let max = max.saturating_add(u32::from(facts.is_rotating(&user.name)));
            let active: Vec<String> = user
                .keys_by_age()
                .into_iter()
                .filter(|(_, key)| key.status.can_sign())
                .map(|(_, key)| describe_key(key))
                .collect();
            if active.len() > max as usize {
                let (count, list) = (active.len(), active.join(", "));
                let message = format!("{count} active access keys; the limit is {max}: {list}");
                verdict.add_user_finding(&META, &user.name, entry.at, message);
            }
        }
    }
}
