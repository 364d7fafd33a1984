//! `prefer-role`: a key is kept as a GitHub secret, where a role and OIDC would need none.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::policy::{Destination, UserSelector};

pub struct PreferRole;

static META: RuleMeta = RuleMeta {
    name: "prefer-role",
    severity: Severity::Note,
    required_input: RequiredInput::Account,
    summary: "a key is kept as a GitHub secret, where a role and OIDC would need none",
    rationale: "A workflow can ask AWS for credentials that last an hour; a key that does not exist cannot leak.",
    remediation: "Let the workflow assume a role by OIDC (`permissions: id-token: write`) and remove the key; keytide prints the trust policy with `keytide iam-policy --for audit --trust`.",
};

impl Rule for PreferRole {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for entry in &facts.policy.users {
            let stored = entry.destinations.iter().find_map(|destination| match destination {
                Destination::GithubSecret(secret) => {
                    secret.repository.as_ref().or(secret.organization.as_ref())
                }
                _ => None,
            });
            let (Some(place), UserSelector::Name(user)) = (stored, &entry.selector) else { continue };
            let message = format!("the key is kept as a GitHub secret of {place}; a role would need no key");
            verdict.add_user_finding(&META, &user.0, entry.at, message);
        }
    }
}
