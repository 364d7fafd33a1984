//! `quarantined-user`: AWS attached its compromised-key quarantine policy to a user.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::{SourcedFact, UnknownReason};

pub struct QuarantinedUser;

static META: RuleMeta = RuleMeta {
    name: "quarantined-user",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "AWS attached its compromised-key quarantine policy to a user",
    rationale: "AWS attaches that policy when it finds an access key of the user exposed publicly.",
    remediation: "Rotate the key now (`keytide rotate --user USER --compromised`), check in CloudTrail what it was used for, then detach the policy.",
};

impl Rule for QuarantinedUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            match &user.quarantined {
                SourcedFact::Known(true, _) => {
                    let message =
                        "AWS quarantined this user: it found one of its keys exposed publicly".to_owned();
                    findings.add_user_finding(&META, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(UnknownReason::NotInSource) => {
                    findings.skip_rule(&META, "the credential report does not list attached policies")
                }
                _ => {}
            }
        }
    }
}
