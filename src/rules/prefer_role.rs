//! `prefer-role`: a key is stored as a GitHub secret, where a role with OIDC needs no key.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::destinations::as_store;
use crate::policy::UserSelector;

pub struct PreferRole;

static META: RuleMeta = RuleMeta {
    name: "prefer-role",
    severity: Severity::Note,
    required_input: RequiredInput::Account,
    summary: "a key is stored as a GitHub secret, where a role with OIDC needs no key",
    rationale: "A workflow can get credentials for one hour by OIDC; a key that does not exist cannot leak.",
    remediation: "Let the workflow assume a role by OIDC (`permissions: id-token: write`) and remove the key. `keytide migrate --user NAME` shows the changes of the workflows and the role.",
};

impl Rule for PreferRole {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        // A user that retires its key is on the way to a role
        for entry in input.policy.users.iter().filter(|entry| entry.retire.is_none()) {
            let mut owners =
                entry.destinations.iter().filter_map(|one| as_store(one)?.workflow_secret_owner());
            let stored = owners.next();
            let (Some(place), UserSelector::Name(user)) = (stored, &entry.selector) else { continue };
            if !input.has_active_key(&user.0) {
                continue;
            }
            let message = format!("the key is kept as a GitHub secret of {place}; a role would need no key");
            findings.add_user_finding(&META, &user.0, entry.at, message);
        }
    }
}
