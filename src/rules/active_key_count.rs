//! `active-key-count`: a user has more active access keys than `max_active_keys`.

use super::input::describe_key;
use super::key_age::set_rotation_help;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct ActiveKeyCount;

static META: RuleMeta = RuleMeta {
    name: "active-key-count",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "a user has more active access keys than `max_active_keys`",
    rationale: "Each active key can leak on its own; a second one that is never retired doubles the risk.",
    remediation: "Find the idle key by its last use, deactivate it, wait until you are sure that nothing breaks, then delete it.",
};

impl Rule for ActiveKeyCount {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_active_keys else { continue };
            // During a rotation two keys are active on purpose.
            let max = max.saturating_add(u32::from(input.is_rotating(&user.name)));
            let active: Vec<String> = user
                .keys_by_age()
                .into_iter()
                .filter(|(_, key)| key.status.can_sign())
                .map(|(_, key)| describe_key(key))
                .collect();
            if active.len() > max as usize {
                let (count, list) = (active.len(), active.join(", "));
                let message = format!("{count} active access keys ({list}); the limit is {max}");
                let finding = findings.add_user_finding(&META, &user.name, entry.at, message);
                set_rotation_help(input, &user.name, finding);
            }
        }
    }
}
