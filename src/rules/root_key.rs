//! `root-key`: the account's root user has an access key.

use super::input::NEEDS_CREDENTIAL_REPORT;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::iam::{SourcedFact, UnknownReason};

pub struct RootKey;

static META: RuleMeta = RuleMeta {
    name: "root-key",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the account's root user has an access key",
    rationale: "A root access key can do everything in the account, and no policy can restrict it.",
    remediation: "Sign in as the root user, check that nothing uses the key, and delete it.",
};

impl Rule for RootKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(inventory) = input.inventory else { return };
        match &inventory.root_key {
            SourcedFact::Known(true, _) => {
                let message =
                    format!("the root user of account {} has an active access key", inventory.account);
                findings.add_finding(&META, Position::START, message).set_subject("root user");
            }
            SourcedFact::Known(false, _) => {}
            SourcedFact::Unknown(UnknownReason::NotInSource) => {
                findings.skip_rule(
                    &META,
                    "the credential report has no readable line of the root user (`<root_account>`)",
                );
            }
            SourcedFact::Unknown(_) => findings.skip_rule(&META, NEEDS_CREDENTIAL_REPORT),
        }
    }
}
