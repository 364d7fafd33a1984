//! `quarantined-user`: AWS attached its compromised-key quarantine policy to a user.

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::{SourcedFact, UnknownReason};

pub struct QuarantinedUser;

static TEXT: Text = Text {
    name: "quarantined-user",
    severity: Severity::Error,
    input: Input::Account,
    finds: "AWS attached its compromised-key quarantine policy to a user",
    why: "AWS does that when it finds one of the user's keys in public: somebody else has it.",
    fix: "Rotate the key now, look through CloudTrail for what it did, then detach the policy.",
};

impl Rule for QuarantinedUser {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            match &user.quarantined {
                SourcedFact::Known(true, _) => {
                    let message =
                        "AWS quarantined this user: one of its access keys was found in public".to_owned();
                    verdict.add_user(&TEXT, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    verdict.skip(&TEXT, "the credential report has no attached policies")
                }
                _ => {}
            }
        }
    }
}
