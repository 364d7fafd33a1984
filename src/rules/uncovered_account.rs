//! `uncovered-account`: an account has access keys and no policy file, or policy files and no entry in `fleet.yml`.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct UncoveredAccount;

static META: RuleMeta = RuleMeta {
    name: "uncovered-account",
    severity: Severity::Warning,
    required_input: RequiredInput::Fleet,
    summary: "no policy file is for an account that has access keys, or policy files are for an account that `fleet.yml` does not list",
    rationale: "Nothing audits the keys of such an account, although the fleet's report looks complete.",
    remediation: "Add a policy file for the account's users to a repository, or the account to `fleet.yml`. To a policy file without `account:` add it.",
};

/// The remediation where the account is listed.
const ADD_POLICY: &str = "Add a policy file for the account's users to a repository.";
/// The remediation where it is not.
const ADD_ACCOUNT: &str = "Add the account to `fleet.yml`, or correct `account:` of the policy file.";

/// How many repositories a message names.
const SHOWN: usize = 3;

impl Rule for UncoveredAccount {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(fleet) = input.fleet else { return };
        let (message, help) = if fleet.listed_at.is_none() {
            let count = fleet.repositories.len();
            let mut names = fleet.repositories[..count.min(SHOWN)].join(", ");
            if count > SHOWN {
                names.push_str(&format!(" and {} more", count - SHOWN));
            }
            let message = format!(
                "the policy file of {names} is for account {}, which is not listed here",
                fleet.account
            );
            (message, ADD_ACCOUNT)
        } else {
            let with_keys = fleet.users.iter().filter(|user| user.keys > 0).count();
            if !fleet.repositories.is_empty() || with_keys == 0 {
                return;
            }
            let users =
                if with_keys == 1 { "1 user has".to_owned() } else { format!("{with_keys} users have") };
            let message =
                format!("no policy file is for account {}, in which {users} access keys", fleet.account);
            (message, ADD_POLICY)
        };
        findings.add_finding(&META, fleet.position(), message).set_help(help);
    }
}
