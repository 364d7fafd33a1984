//! `missing-user`: the policy names an IAM user that the account does not have.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct MissingUser;

static META: RuleMeta = RuleMeta {
    name: "missing-user",
    severity: Severity::Error,
    required_input: RequiredInput::Account,
    summary: "the policy names an IAM user that the account does not have",
    rationale: "A user that is misspelt, renamed or deleted is watched by nobody while the audit looks green.",
    remediation: "Correct the name, or remove the entry if the user is gone for good.",
};

impl Rule for MissingUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let Some(inventory) = facts.inventory else { return };
        for name in &inventory.missing {
            let Some(entry) = facts.policy.find_user_policy(name, None) else { continue };
            let message = format!("account {} has no IAM user of this name", inventory.account);
            verdict.add_user_finding(&META, name, entry.at, message);
        }
    }
}
