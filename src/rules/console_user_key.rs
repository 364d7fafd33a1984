//! `console-user-key`: a user with a console password has access keys.

use super::input::NEEDS_CREDENTIAL_REPORT;
use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::iam::SourcedFact;

pub struct ConsoleUserKey;

static META: RuleMeta = RuleMeta {
    name: "console-user-key",
    severity: Severity::Warning,
    required_input: RequiredInput::Account,
    summary: "a user with a console password has access keys",
    rationale: "When a person and a program share an IAM user, their access cannot be limited, monitored or revoked separately.",
    remediation: "Give the program its own role or user. People can use short-lived credentials: IAM Identity Center or `aws login`.",
};

impl Rule for ConsoleUserKey {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (entry, user) in input.listed_users() {
            let has_keys = user.keys.iter().any(|key| key.status.can_sign());
            match &user.console_password {
                SourcedFact::Known(true, _) if has_keys => {
                    let message = "this user has a console password and active access keys".to_owned();
                    findings.add_user_finding(&META, &user.name, entry.at, message);
                }
                // Without keys the rule has nothing to find, whatever the password.
                SourcedFact::Unknown(_) if has_keys => {
                    findings.skip_rule(&META, NEEDS_CREDENTIAL_REPORT);
                }
                _ => {}
            }
        }
    }
}
