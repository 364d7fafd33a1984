//! Decides the set-up of an account: the OIDC provider, and the roles with their trust and their permissions. Pure; each
//! format renders the same [`SetUp`].

use serde::Serialize;
use serde_json::Value;

use super::permissions::permissions_policy;
use super::repository::TokenRepository;
use super::trust::{TrustedJobs, provider_arn, token_audience, trust_policy};
use crate::commands::cli::Purpose;
use crate::destinations::permissions::{ArnScope, NeededPermissions};
use crate::iam::policy_document::PolicyDocument;
use crate::policy::{PLACEHOLDER, Policy};

/// The tag of a role that names the repository. A second repository of the account must not take the role over.
pub const REPOSITORY_TAG: &str = "keytide:repository";
/// The name of a role's inline policy.
pub const INLINE_POLICY: &str = "keytide";
/// The environment that the workflow that deletes keys names.
const DELETE_ENVIRONMENT: &str = "delete-access-keys";

/// What the account gets.
#[derive(Debug)]
pub struct SetUp {
    pub account: String,
    /// `OWNER/NAME`.
    pub repository: String,
    pub provider: OidcProvider,
    pub roles: Vec<Role>,
    /// The option that gives the roles other names.
    pub name_option: &'static str,
}

/// The OIDC provider: an account has one for each issuer.
#[derive(Debug)]
pub struct OidcProvider {
    pub arn: String,
    pub url: String,
    pub audience: &'static str,
}

/// A role that a workflow assumes.
#[derive(Debug)]
pub struct Role {
    /// What it is for, as its names in templates say it.
    pub word: &'static str,
    pub name: String,
    pub description: String,
    pub trust: PolicyDocument,
    /// The inline policy, if there is one.
    pub permissions: Option<RoleDocument>,
    /// The ARNs of managed policies.
    pub managed: Vec<String>,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
}

/// The inline policy of a role.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum RoleDocument {
    Built(PolicyDocument),
    /// Copied from the policies of a user.
    Copied(Value),
}

/// What a set-up is decided from.
#[derive(Debug)]
pub struct RoleRequest<'a> {
    pub policy: &'a Policy,
    pub scope: &'a ArnScope<'a>,
    pub repository: &'a TokenRepository,
    pub role_prefix: &'a str,
    /// The branch that a flag names.
    pub branch: Option<&'a str>,
    /// The environment that a flag names; an empty name is none.
    pub environment: Option<&'a str>,
    /// Whether the roles of all commands are wanted.
    pub is_for_all: bool,
}

/// Decides the set-up. Returns it with notes about what its reader must know.
pub fn decide_set_up(
    request: &RoleRequest<'_>,
    permissions: Vec<(Purpose, NeededPermissions)>,
) -> (SetUp, Vec<String>) {
    let mut notes: Vec<String> = Vec::new();
    let mut roles = Vec::new();
    for (purpose, destinations) in permissions {
        let (role, role_notes) = decide_role(request, purpose, &destinations);
        // Each role would say the same again.
        for note in role_notes {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        roles.push(role);
    }
    (collect_set_up(request.scope, request.repository, roles), notes)
}

/// The set-up with these roles.
pub fn collect_set_up(scope: &ArnScope<'_>, repository: &TokenRepository, roles: Vec<Role>) -> SetUp {
    let issuer = &repository.issuer;
    SetUp {
        account: scope.account.to_owned(),
        repository: repository.name.clone(),
        provider: OidcProvider {
            arn: provider_arn(scope, issuer),
            url: format!("https://{issuer}"),
            audience: token_audience(scope),
        },
        roles,
        name_option: "--role-prefix",
    }
}

impl Role {
    /// Whether its permissions are still to be filled in.
    pub fn is_open(&self) -> bool {
        let Some(RoleDocument::Copied(document)) = &self.permissions else { return false };
        document["Statement"][0]["Action"] == PLACEHOLDER
    }
}

fn decide_role(
    request: &RoleRequest<'_>,
    purpose: Purpose,
    destinations: &NeededPermissions,
) -> (Role, Vec<String>) {
    let repository = request.repository;
    let found_branch = repository.default_branch.as_deref();
    let trust = trust_policy(
        request.scope,
        TrustedJobs {
            purpose,
            repository,
            branch: request.branch.or(found_branch).unwrap_or("main"),
            environment: environment_of(purpose, request.environment, request.is_for_all),
        },
    );
    let notes = trust.notes.into_iter().map(str::to_owned);
    let notes = notes.chain(destinations.notes().map(str::to_owned)).collect();
    let role = Role {
        word: purpose.word(),
        name: format!("{}-{}", request.role_prefix, purpose.word()),
        description: describe_role(purpose, &repository.name),
        trust: trust.document,
        permissions: Some(RoleDocument::Built(permissions_policy(
            purpose,
            request.policy,
            request.scope,
            destinations,
        ))),
        managed: Vec::new(),
        boundary: None,
    };
    (role, notes)
}

/// The environment of the jobs that assume a role. Where all roles are wanted, the flag is about the one that deletes.
pub fn environment_of(purpose: Purpose, given: Option<&str>, is_for_all: bool) -> Option<&str> {
    let named = if purpose == Purpose::Delete {
        Some(given.unwrap_or(DELETE_ENVIRONMENT))
    } else if is_for_all {
        None
    } else {
        given
    };
    named.filter(|name| !name.is_empty())
}

fn describe_role(purpose: Purpose, repository: &str) -> String {
    let what = match purpose {
        Purpose::Audit => "audits the IAM access keys",
        Purpose::Rotate => "rotates the IAM access keys",
        Purpose::Delete => "deletes the retired IAM access keys",
    };
    format!("keytide {what} that {repository} uses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_for_one_role() {
        let of = environment_of;
        assert_eq!(of(Purpose::Delete, None, true), Some("delete-access-keys"));
        assert_eq!(of(Purpose::Delete, Some("e"), true), Some("e"));
        assert_eq!(of(Purpose::Delete, Some(""), false), None);
        assert_eq!(of(Purpose::Rotate, Some("e"), true), None);
        assert_eq!(of(Purpose::Rotate, Some("e"), false), Some("e"));
        assert_eq!(of(Purpose::Audit, None, false), None);
    }
}
