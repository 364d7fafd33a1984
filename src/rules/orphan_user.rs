//! `orphan-user`: a user of an account of the fleet has access keys, and no repository lists it.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct OrphanUser;

static META: RuleMeta = RuleMeta {
    name: "orphan-user",
    severity: Severity::Warning,
    required_input: RequiredInput::Fleet,
    summary: "a user of the account has access keys, and no repository's policy file lists it",
    rationale: "No limits apply to these keys: no policy file says how old they may become or where they are used.",
    remediation: "Add the user to the policy file of the repository that uses its keys, delete the keys, or exempt it in `fleet.yml`.",
};

impl Rule for OrphanUser {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(fleet) = input.fleet else { return };
        if let Some(unread) = &fleet.unread {
            // The finding stays: one policy file that cannot be read must not hide all users without an owner.
            findings.skip_rule(&META, unread.clone());
        }
        let files = if fleet.unread.is_some() { "no policy file that was audited" } else { "no policy file" };
        for user in fleet.users.iter().filter(|user| user.keys > 0 && user.listings.is_empty()) {
            let keys = if user.keys == 1 {
                "an access key".to_owned()
            } else {
                format!("{} access keys", user.keys)
            };
            let claim = match user.claimed_by.as_slice() {
                [] => String::new(),
                repositories => format!("; it matches the claim of {}", repositories.join(", ")),
            };
            let message = format!("this user has {keys}, and {files} lists it{claim}");
            findings.add_user_finding(&META, &user.name, fleet.position(), message);
        }
    }
}
