//! `quarantined-user`: AWS attached its compromised-key quarantine policy to a user.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{SourcedFact, UnknownReason};

pub struct QuarantinedUser;

static META: RuleMeta = RuleMeta {
    name: "quarantined-user",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "AWS attached its compromised-key quarantine policy to a user",
    rationale: "AWS does that when it finds one of the user's keys in public: somebody else has it.",
    remediation: "Rotate the key now, look through CloudTrail for what it did, then detach the policy.",
};

impl Rule for QuarantinedUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (entry, user) in facts.listed_users() {
            match &user.quarantined {
                SourcedFact::Known(true, _) => {
                    let message =
                        "AWS quarantined this user: one of its access keys was found in public".to_owned();
                    verdict.add_user_finding(&META, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    verdict.skip_rule(&META, "the credential report has no attached policies")
                }
                _ => {}
            }
        }
    }
}
