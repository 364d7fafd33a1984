//! `prefer-role`: a key is kept as a GitHub secret, where a role and OIDC would need none.

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::policy::{Destination, UserSelector};

pub struct PreferRole;

static TEXT: Text = Text {
    name: "prefer-role",
    severity: Severity::Note,
    input: Input::Account,
    finds: "a key is kept as a GitHub secret, where a role and OIDC would need none",
    why: "A workflow can ask AWS for credentials that last an hour; a key that does not exist cannot leak.",
    fix: "Let the workflow assume a role by OIDC (`permissions: id-token: write`) and remove the key; keytide prints the trust policy with `keytide iam-policy --for audit --trust`.",
};

impl Rule for PreferRole {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for entry in &facts.policy.users {
            let stored = entry.destinations.iter().find_map(|destination| match destination {
                Destination::GithubSecret(secret) => {
                    secret.repository.as_ref().or(secret.organization.as_ref())
                }
                _ => None,
            });
            let (Some(place), UserSelector::Name(user)) = (stored, &entry.selector) else { continue };
            let message = format!("the key is kept as a GitHub secret of {place}; a role would need no key");
            verdict.add_user(&TEXT, &user.0, entry.at, message);
        }
    }
}
