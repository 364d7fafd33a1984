//! `owner-mismatch`: the user's tag `keytide:owner` names another repository.

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::{SourcedFact, UnknownReason};

pub struct OwnerMismatch;

static TEXT: Text = Text {
    name: "owner-mismatch",
    severity: Severity::Error,
    input: Input::Account,
    finds: "the user's tag `keytide:owner` names another repository",
    why: "Two repositories that rotate one user lock each other out; the tag says which one may.",
    fix: "Remove the entry here, or let the account's administrator correct the tag.",
};

impl Rule for OwnerMismatch {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let Some(own) = facts.repository.id else {
            verdict.skip(
                &TEXT,
                "the numeric ID of this repository is unknown (`GITHUB_REPOSITORY_ID`, or a GitHub token)",
            );
            return;
        };
        for (entry, user) in facts.listed() {
            match &user.owner {
                SourcedFact::Known(Some(owner), _) if *owner != own.to_string() => {
                    let message =
                        format!("this user belongs to repository {owner}; this is repository {own}");
                    verdict.add_user(&TEXT, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    verdict.skip(&TEXT, "the credential report has no tags")
                }
                SourcedFact::Unknown(UnknownReason::NotAsked) => {
                    verdict.skip(&TEXT, "users without keys were not asked for their tags")
                }
                _ => {}
            }
        }
    }
}
