//! The format of `fleet.yml`: the repositories whose policy files are collected, and the accounts that are audited.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Position, SourceFault};
use crate::policy::scalar::{RepositoryGlob, is_repository};
use crate::policy::schema::{publish_schema, shape_schema};
use crate::policy::{AccountId, DocumentKind, Exemption, Located, Policy, RoleArn};
use crate::rules;
use crate::sanitize::shorten;

/// The name of the file, in the working folder and among collected policy files.
pub const FILE_NAME: &str = "fleet.yml";
/// The schema of the file for the shape check.
pub const SHAPE: &str = include_str!("file.shape.json");
/// How many characters of a wrong name a message quotes.
const MAX_SHOWN: usize = 80;
const EMPTY_FILE_HELP: &str = "start with `version: 1`, `organizations: [NAME]` and `accounts:`";

/// The repositories and the AWS accounts of a fleet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetFile {
    /// The version of the format. It is 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked by the schema; there is one version")]
    version: u8,
    /// The GitHub organizations, or users, whose repositories are read.
    #[serde(default)]
    pub organizations: Vec<Located<String>>,
    /// Single repositories, `OWNER/NAME`, beside those of `organizations`.
    #[serde(default)]
    pub repositories: Vec<Located<String>>,
    /// Globs over `OWNER/NAME`. A repository that matches one is left out, and the report says so.
    #[serde(default)]
    pub exclude: Vec<RepositoryGlob>,
    /// The AWS accounts.
    #[schemars(length(min = 1))]
    pub accounts: Vec<Located<FleetAccount>>,
    /// Findings about users of the accounts that are accepted until a date.
    #[serde(default)]
    pub exemptions: Vec<Located<Exemption>>,
}

/// An account of the fleet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetAccount {
    /// The AWS account ID, in quotes.
    pub id: AccountId,
    /// The IAM role to assume in this account.
    pub role_arn: Option<RoleArn>,
}

/// Reads the file; `name` is its name in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_fleet_file(name: &str, bytes: &[u8]) -> Result<FleetFile, Vec<Diagnostic>> {
    let rules = rules::exemptible_fleet_rules();
    DocumentKind { empty_help: EMPTY_FILE_HELP, shape: SHAPE, rules: &rules, check: check_fields }
        .read(name, bytes)
}

/// Generates [`SHAPE`].
pub fn shape() -> Value {
    shape_schema::<FleetFile>()
}

/// Generates the JSON Schema of the file as `policies/fleet-schema.json` publishes it.
pub fn published_schema() -> Value {
    publish_schema::<FleetFile>("keytide fleet file", &rules::exemptible_fleet_rules())
}

impl FleetFile {
    /// The entry of an account.
    pub fn find_account(&self, id: &str) -> Option<&Located<FleetAccount>> {
        self.accounts.iter().find(|account| account.value.id.0 == id)
    }

    /// Whether a repository is left out.
    pub fn is_excluded(&self, repository: &str) -> bool {
        self.exclude.iter().any(|glob| glob.is_match(repository))
    }

    /// Whether the file names a repository, or its owner, and does not leave it out.
    pub fn collects(&self, repository: &str) -> bool {
        let Some((owner, _)) = repository.split_once('/') else { return false };
        let is_named = self.repositories.iter().any(|entry| entry.value.eq_ignore_ascii_case(repository))
            || self.organizations.iter().any(|entry| entry.value.eq_ignore_ascii_case(owner));
        is_named && is_repository(repository) && !self.is_excluded(repository)
    }

    /// The policy under which the rules about the fleet run: no users, and the exemptions of this file.
    pub fn to_policy(&self, name: &str) -> Policy {
        let mut policy = Policy::empty();
        name.clone_into(&mut policy.file);
        policy.exemptions.clone_from(&self.exemptions);
        policy
    }
}

/// The errors between fields, and of texts that have no type of their own.
fn check_fields(file: &FleetFile) -> Vec<SourceFault> {
    let mut faults = Vec::new();
    if file.organizations.is_empty() && file.repositories.is_empty() {
        let message = "`organizations` and `repositories` are both missing".to_owned();
        faults.push(fault_at(Position::START, message, "add `organizations: [NAME]`"));
    }
    for organization in &file.organizations {
        if !is_login(&organization.value) {
            let message =
                format!("`{}` is not the name of an organization", shorten(&organization.value, MAX_SHOWN));
            faults.push(fault_at(organization.at, message, "write the name alone, as in github.com/NAME"));
        }
    }
    for repository in &file.repositories {
        if !is_repository(&repository.value) {
            let message = format!("`{}` is not a repository", shorten(&repository.value, MAX_SHOWN));
            faults.push(fault_at(repository.at, message, "write OWNER/NAME"));
        }
    }
    check_accounts(file, &mut faults);
    for exemption in &file.exemptions {
        if !exemption.value.files.is_empty() {
            let message =
                "`files` does not apply to the findings of a fleet, which are in no file".to_owned();
            faults.push(fault_at(exemption.at, message, "remove it"));
        }
        if exemption.value.reason.trim().is_empty() {
            let message = "`reason` is empty".to_owned();
            faults.push(fault_at(exemption.at, message, "say why the finding is accepted"));
        }
    }
    faults
}

fn check_accounts(file: &FleetFile, faults: &mut Vec<SourceFault>) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for account in &file.accounts {
        let id = account.value.id.0.as_str();
        if let Some(line) = seen.get(id) {
            let message = format!("duplicate entry for account {id}; the first is on line {line}");
            faults.push(fault_at(account.at, message, "keep one entry"));
        }
        seen.entry(id).or_insert(account.at.line);
        if let Some(role) = &account.value.role_arn
            && role.account_id() != id
        {
            let message = format!("`role_arn` is in account {}, `id` is {id}", role.account_id());
            faults.push(fault_at(account.at, message, "correct one of the two"));
        }
    }
}

/// Whether a text has the form of a login of GitHub.
fn is_login(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 39
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn fault_at(at: Position, message: String, help: &str) -> SourceFault {
    SourceFault { at, width: 1, message, help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1\norganizations: [acme]\nexclude: [\"acme/old-*\"]\naccounts:\n  - { id: \"123456789012\", role_arn: arn:aws:iam::123456789012:role/keytide-audit }\n";

    fn errors(text: &str) -> Vec<String> {
        let faults = read_fleet_file("fleet.yml", text.as_bytes()).unwrap_err();
        let shown = faults.iter().map(|fault| {
            let help = fault.help.as_deref().unwrap_or("-");
            format!("{}:{} {} ({help})", fault.at.line, fault.at.column, fault.message)
        });
        shown.collect()
    }

    #[test]
    fn a_file_names_repositories_and_accounts() {
        let file = read_fleet_file("fleet.yml", FILE.as_bytes()).unwrap();
        let account = file.find_account("123456789012").unwrap();
        assert_eq!((account.at.line, account.at.column), (5, 5));
        assert!(file.is_excluded("acme/old-app") && !file.is_excluded("acme/app"));
        assert!(file.find_account("999999999999").is_none());
        assert!(file.collects("acme/app") && file.collects("Acme/app"));
        for other in ["acme/old-app", "other/app", "acme", "acme/", "acme/a/b", "acme/../x", "acme/OLD-app"] {
            assert!(!file.collects(other), "{other}");
        }
    }

    #[test]
    fn every_error_has_its_place_and_what_to_do() {
        assert_eq!(
            errors(&FILE.replace("organizations", "organisations")),
            [
                "1:1 `organizations` and `repositories` are both missing (add `organizations: [NAME]`)",
                "2:1 unknown field `organisations` (did you mean `organizations`?)",
            ]
        );
        assert_eq!(
            errors(
                "version: 1\norganizations: [a/b]\nrepositories: [app]\naccounts:\n  - id: 123456789012\n  - { id: \"123456789012\", role_arn: \"arn:aws:iam::210987654321:role/x\" }\n  - id: \"123456789012\"\n"
            ),
            [
                "2:17 `a/b` is not the name of an organization (write the name alone, as in github.com/NAME)",
                "3:16 `app` is not a repository (write OWNER/NAME)",
                "5:9 expected a string, found a number (put it in quotes: `\"123456789012\"`)",
                "6:5 `role_arn` is in account 210987654321, `id` is 123456789012 (correct one of the two)",
                "7:5 duplicate entry for account 123456789012; the first is on line 6 (keep one entry)",
            ]
        );
        assert_eq!(
            errors(""),
            ["1:1 the file is empty (start with `version: 1`, `organizations: [NAME]` and `accounts:`)"]
        );
    }

    #[test]
    fn an_exemption_lists_rules_about_the_users_of_a_fleet() {
        let with = |rule: &str| {
            format!(
                "{FILE}exemptions:\n  - {{ user: admin, rules: [{rule}], until: 2027-01-01, reason: x }}\n"
            )
        };
        assert!(read_fleet_file("fleet.yml", with("orphan-user").as_bytes()).is_ok());
        assert_eq!(
            errors(&with("orphan-users")),
            ["7:28 `orphan-users` is not a rule that can be exempted (did you mean `orphan-user`?)"]
        );
        assert!(errors(&with("key-age"))[0].contains("`key-age` is not a rule that can be exempted"));
    }
}
