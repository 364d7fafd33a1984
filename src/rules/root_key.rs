//! `root-key`: the account's root user has an access key.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::iam::SourcedFact;

pub struct RootKey;

static META: RuleMeta = RuleMeta {
    name: "root-key",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the account's root user has an access key",
    rationale: "A key of the root user can do everything in the account, and no policy can take anything from it.",
    remediation: "Sign in as the root user, make sure that nothing uses the key, and delete it.",
};

impl Rule for RootKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let Some(inventory) = facts.inventory else { return };
        match &inventory.root_key {
            SourcedFact::Known(true, _) => {
                let message =
                    format!("the root user of account {} has an active access key", inventory.account);
                verdict.add_finding(&META, Position::START, message);
            }
            SourcedFact::Known(false, _) => {}
            SourcedFact::Unknown(_) => {
                verdict.skip_rule(
                    &META,
                    "only the credential report tells; audit with `--source report` or allow it to be read",
                );
            }
        }
    }
}
