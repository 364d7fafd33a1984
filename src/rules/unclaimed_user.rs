//! `unclaimed-user`: a user with access keys matches `claim` and no entry lists it.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct UnclaimedUser;

static META: RuleMeta = RuleMeta {
    name: "unclaimed-user",
    severity: Severity::Warning,
    required_input: RequiredInput::Account,
    summary: "a user with access keys matches `claim` and no entry lists it",
    rationale: "Keys whose user name belongs to this repository, but which no entry lists, have no limits and no owner.",
    remediation: "Add an entry for the user, or narrow `claim`.",
};

impl Rule for UnclaimedUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        // A user without keys needs no limits: the rule reports it once it gets a key.
        for user in input.unlisted_users().filter(|user| !user.keys.is_empty()) {
            let Some(claim) = input.policy.matching_claim(&user.name) else { continue };
            let count = user.keys.len();
            let keys = if count == 1 { "an access key".to_owned() } else { format!("{count} access keys") };
            let message = format!(
                "this user has {keys} and matches the claim `{}`; no entry lists it",
                claim.value.text
            );
            findings.add_user_finding(&META, &user.name, claim.at, message);
        }
    }
}
