//! `inactive-key`: an access key has been inactive for longer than `max_inactive`.

use jiff::Timestamp;

use super::input::{describe_key, format_elapsed_over};
use super::key_age::set_rotation_help;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{AccessKey, IamUser};

pub struct InactiveKey;

static META: RuleMeta = RuleMeta {
    name: "inactive-key",
    severity: Severity::Warning,
    required_input: RequiredInput::Account,
    summary: "an access key has been inactive for longer than `max_inactive`",
    rationale: "An inactive key occupies one of the two key slots of the user, and one API call re-activates it.",
    remediation: "Delete the key if nothing needs it any more.",
};

/// Since when a key is idle, and whether that is when it became inactive: only a journal has that time.
fn idle_since(input: &RuleInput<'_>, user: &IamUser, key: &AccessKey) -> Option<(Timestamp, bool)> {
    let soaking =
        input.rotations.and_then(|all| all.get(&user.name)).and_then(|one| one.deactivated_key.as_ref());
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

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let Some(max) = entry.limits.max_inactive else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| !key.status.can_sign()) {
                let Some((since, is_known)) = idle_since(input, user, key) else { continue };
                let idle = input.now.duration_since(since);
                if idle > max.0 {
                    let (name, status, idle) =
                        (describe_key(key), &key.status, format_elapsed_over(idle, max.0));
                    let message = if is_known {
                        format!("{name} has been {status} for {idle}; the limit is {max}")
                    } else {
                        format!(
                            "{name} is {status} and has been idle for at least {idle}; the limit is {max} (IAM does not record when a key was deactivated)"
                        )
                    };
                    let finding = findings.add_key_finding(&META, (user, ordinal, key), entry.at, message);
                    set_rotation_help(input, &user.name, finding);
                }
            }
        }
    }
}
