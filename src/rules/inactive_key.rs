//! `inactive-key`: an inactive access key was kept for longer than `max_inactive`.

use super::facts::{elapsed_over, name};
use super::{Facts, Input, Rule, Severity, Text, Verdict};

pub struct InactiveKey;

static TEXT: Text = Text {
    name: "inactive-key",
    severity: Severity::Warning,
    input: Input::Account,
    finds: "an inactive access key was kept for longer than `max_inactive`",
    why: "An inactive key takes one of the two places a user has, and one call makes it good again.",
    fix: "Delete the key: by now nothing can need it.",
};

impl Rule for InactiveKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let Some(max) = entry.limits.max_inactive else { continue };
            for (ordinal, key) in user.by_age().into_iter().filter(|(_, key)| !key.status.may_sign()) {
                let Some(used) = key.last_used.known() else { continue };
                let since = used.as_ref().map_or(key.created_at, |last| last.at.max(key.created_at));
                let idle = facts.now.duration_since(since);
                if idle > max.0 {
                    let message = format!(
                        "{} is {} and has been idle for at least {}; the limit is {max} (IAM keeps no date of the deactivation)",
                        name(key),
                        key.status,
                        elapsed_over(idle, max.0)
                    );
                    verdict.add_key(&TEXT, (user, ordinal, key), entry.at, message);
                }
            }
        }
    }
}
