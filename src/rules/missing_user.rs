//! `missing-user`: the policy names an IAM user that the account does not have.

use super::{Facts, Input, Rule, Severity, Text, Verdict};

pub struct MissingUser;

static TEXT: Text = Text {
    name: "missing-user",
    severity: Severity::Error,
    input: Input::Account,
    finds: "the policy names an IAM user that the account does not have",
    why: "A user that is misspelt, renamed or deleted is watched by nobody while the audit looks green.",
    fix: "Correct the name, or remove the entry if the user is gone for good.",
};

impl Rule for MissingUser {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let Some(inventory) = facts.inventory else { return };
        for name in &inventory.missing {
            let Some(entry) = facts.policy.find_user_policy(name, None) else { continue };
            let message = format!("account {} has no IAM user of this name", inventory.account);
            verdict.add_user(&TEXT, name, entry.at, message);
        }
    }
}
