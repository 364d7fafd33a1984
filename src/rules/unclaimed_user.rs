//! `unclaimed-user`: a user with access keys matches `claim` and no entry lists it.

use super::{Facts, Input, Rule, Severity, Text, Verdict};

pub struct UnclaimedUser;

static TEXT: Text = Text {
    name: "unclaimed-user",
    severity: Severity::Warning,
    input: Input::Account,
    finds: "a user with access keys matches `claim` and no entry lists it",
    why: "Keys that belong to this repository by name and are in no entry have no limits and no owner.",
    fix: "Add an entry for the user, or make `claim` narrower.",
};

impl Rule for UnclaimedUser {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for user in facts.unlisted().filter(|user| !user.keys.is_empty()) {
            let Some(claim) = facts.policy.matching_claim(&user.name) else { continue };
            let count = user.keys.len();
            let keys = if count == 1 { "an access key".to_owned() } else { format!("{count} access keys") };
            let message = format!(
                "this user has {keys} and matches the claim `{}`; no entry lists it",
                claim.value.text
            );
            verdict.add_user(&TEXT, &user.name, claim.at, message);
        }
    }
}
