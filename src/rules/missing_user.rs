//! `missing-user`: the policy names an IAM user that the account does not have.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct MissingUser;

static META: RuleMeta = RuleMeta {
    name: "missing-user",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the policy names an IAM user that the account does not have",
    rationale: "A misspelled, renamed or deleted user is not audited, although the audit passes.",
    remediation: "Correct the name, or remove the entry if the user is gone for good.",
};

impl Rule for MissingUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(inventory) = input.inventory else { return };
        // Only users that the policy lists by name: a glob may match none.
        for name in &inventory.missing {
            let Some(entry) = input.policy.find_user_policy(name, None) else { continue };
            let message = format!("account {} has no IAM user with this name", inventory.account);
            findings.add_user_finding(&META, name, entry.at, message);
        }
    }
}
