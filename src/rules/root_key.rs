//! `root-key`: the account's root user has an access key.

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::diagnostic::Position;
use crate::inventory::SourcedFact;

pub struct RootKey;

static TEXT: Text = Text {
    name: "root-key",
    severity: Severity::Error,
    input: Input::Account,
    finds: "the account's root user has an access key",
    why: "A key of the root user can do everything in the account, and no policy can take anything from it.",
    fix: "Sign in as the root user, make sure that nothing uses the key, and delete it.",
};

impl Rule for RootKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let Some(inventory) = facts.inventory else { return };
        match &inventory.root_key {
            SourcedFact::Known(true, _) => {
                let message =
                    format!("the root user of account {} has an active access key", inventory.account);
                verdict.add(&TEXT, Position::START, message);
            }
            SourcedFact::Known(false, _) => {}
            SourcedFact::Unknown(_) => {
                verdict.skip(
                    &TEXT,
                    "only the credential report tells; audit with `--source report` or allow it to be read",
                );
            }
        }
    }
}
