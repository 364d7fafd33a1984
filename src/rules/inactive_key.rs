//! `inactive-key`: an inactive access key was kept for longer than `max_inactive`.

use jiff::Timestamp;

use super::input::{describe_key, format_elapsed_over};
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{AccessKey, IamUser};

pub struct InactiveKey;

static META: RuleMeta = RuleMeta {
    name: "inactive-key",
    severity: Severity::Warning,
    required_input: RequiredInput::Account,
    summary: "an inactive access key was kept for longer than `max_inactive`",
    rationale: "An inactive key takes one of the two places a user has, and one call makes it good again.",
    remediation: "Delete the key: by now nothing can need it.",
};

/// Since when a key is idle, and whether that is when it became inactive, which only a journal tells.
fn idle_since(facts: &RuleInput<'_>, user: &IamUser, key: &AccessKey) -> Option<(Timestamp, bool)> {
    let soaking =
        facts.rotations.and_then(|all| all.get(&user.name)).and_then(|one| one.deactivated_key.as_ref());
    if let Some((_, at)) = soaking.filter(|(id, _)| key.id.as_ref() == Some(id)) {
        return Some((*at, true));
    }
    let used = key.last_used.known_value()?.as_ref();
    Some((used.map_or(key.created_at, |last| last.at.max(key.created_at)), false))
}

impl Rule for InactiveKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (entry, user) in facts.listed_users() {
            let Some(max) = entry.limits.max_inactive else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| !key.status.can_sign()) {
                let Some((since, is_known)) = idle_since(facts, user, key) else { continue };
                let idle = facts.now.duration_since(since);
                if idle > max.0 {
                    let (name, status, idle) =
                        (describe_key(key), &key.status, format_elapsed_over(idle, max.0));
                    let message = if is_known {
                        format!("{name} has been {status} for {idle}; the limit is {max}")
                    } else {
                        format!(
                            "{name} is {status} and has been idle for at least {idle}; the limit is {max} (IAM keeps no date of the deactivation)"
                        )
                    };
                    verdict.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}
