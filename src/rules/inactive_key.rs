//! `inactive-key`: an inactive access key was kept for longer than `max_inactive`.

use jiff::Timestamp;

use super::facts::{elapsed_over, name};
use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::{AccessKey, IamUser};

pub struct InactiveKey;

static TEXT: Text = Text {
    name: "inactive-key",
    severity: Severity::Warning,
    input: Input::Account,
    finds: "an inactive access key was kept for longer than `max_inactive`",
    why: "An inactive key takes one of the two places a user has, and one call makes it good again.",
    fix: "Delete the key: by now nothing can need it.",
};

/// Since when a key is idle, and whether that is when it became inactive, which only a journal tells.
fn since(facts: &Facts<'_>, user: &IamUser, key: &AccessKey) -> Option<(Timestamp, bool)> {
    let soaking = facts.rotations.and_then(|all| all.get(&user.name)).and_then(|one| one.soaking.as_ref());
    if let Some((_, at)) = soaking.filter(|(id, _)| key.id.as_ref() == Some(id)) {
        return Some((*at, true));
    }
    let used = key.last_used.known_value()?.as_ref();
    Some((used.map_or(key.created_at, |last| last.at.max(key.created_at)), false))
}

impl Rule for InactiveKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let Some(max) = entry.limits.max_inactive else { continue };
            for (ordinal, key) in user.keys_by_age().into_iter().filter(|(_, key)| !key.status.can_sign()) {
                let Some((since, is_known)) = since(facts, user, key) else { continue };
                let idle = facts.now.duration_since(since);
                if idle > max.0 {
                    let (name, status, idle) = (name(key), &key.status, elapsed_over(idle, max.0));
                    let message = if is_known {
                        format!("{name} has been {status} for {idle}; the limit is {max}")
                    } else {
                        format!(
                            "{name} is {status} and has been idle for at least {idle}; the limit is {max} (IAM keeps no date of the deactivation)"
                        )
                    };
                    verdict.add_key(&TEXT, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}
