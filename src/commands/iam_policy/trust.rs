//! Builds the trust policy of a role that workflows of a repository assume. Pure.

use std::collections::BTreeMap;

use super::repository::{GITHUB_ISSUER, TokenRepository};
use crate::commands::cli::{Purpose, SubjectForm};
use crate::destinations::permissions::ArnScope;
use crate::iam::policy_document::{
    ConditionKeys, Effect, FederatedPrincipal, OneOrMany, PolicyDocument, PolicyStatement,
};

/// Whose jobs may assume a role.
#[derive(Debug, Clone, Copy)]
pub struct TrustedJobs<'a> {
    pub purpose: Purpose,
    pub repository: &'a TokenRepository,
    pub branch: &'a str,
    pub environment: Option<&'a str>,
}

/// A trust policy, and what its reader must know.
#[derive(Debug)]
pub struct TrustPolicy {
    pub document: PolicyDocument,
    pub notes: Vec<&'static str>,
}

/// The ARN of the OIDC provider.
pub fn provider_arn(scope: &ArnScope<'_>, issuer: &str) -> String {
    format!("arn:{}:iam::{}:oidc-provider/{issuer}", scope.partition, scope.account)
}

/// What the tokens must be issued for.
pub fn token_audience(scope: &ArnScope<'_>) -> &'static str {
    if scope.partition == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" }
}

/// Builds the trust policy.
pub fn trust_policy(scope: &ArnScope<'_>, jobs: TrustedJobs<'_>) -> TrustPolicy {
    let issuer = &jobs.repository.issuer;
    let mut notes = Vec::new();
    let mut subjects = Vec::new();
    for repository in repository_forms(jobs.repository, &mut notes) {
        for event in trusted_events(jobs) {
            subjects.push(format!("repo:{repository}:{event}"));
        }
    }
    let mut keys = ConditionKeys::from([
        (format!("{issuer}:aud"), OneOrMany::one(token_audience(scope))),
        (format!("{issuer}:sub"), OneOrMany::Many(subjects)),
    ]);
    for (claim, value) in pinned_claims(scope, jobs, &mut notes) {
        keys.insert(format!("{issuer}:{claim}"), OneOrMany::One(value));
    }
    let statement = PolicyStatement {
        sid: None,
        effect: Effect::Allow,
        principal: Some(FederatedPrincipal { federated: provider_arn(scope, issuer) }),
        action: OneOrMany::one("sts:AssumeRoleWithWebIdentity"),
        resource: None,
        condition: BTreeMap::from([("StringEquals", keys)]),
    };
    TrustPolicy { document: PolicyDocument::new(vec![statement]), notes }
}

/// The repository in the forms that the policy trusts. Repositories that were created, renamed or moved since 2026-07-15
/// have numbers in the subject, older ones have not unless they opted in (GitHub, "OpenID Connect reference").
fn repository_forms(repository: &TokenRepository, notes: &mut Vec<&'static str>) -> Vec<String> {
    let mut forms = Vec::new();
    if repository.form != SubjectForm::Immutable {
        forms.push(repository.name.clone());
    }
    if repository.form == SubjectForm::Classic {
        return forms;
    }
    if repository.ids().is_none() {
        notes.push(
            "replace OWNER_ID and REPOSITORY_ID with the numbers that \
             `gh api repos/OWNER/NAME --jq '.owner.id, .id'` prints; without them the role trusts only repositories \
             whose tokens have no IDs",
        );
    }
    let text =
        |id: Option<u64>, placeholder: &str| id.map_or_else(|| placeholder.to_owned(), |id| id.to_string());
    let (owner_id, id) = (text(repository.owner_id, "OWNER_ID"), text(repository.id, "REPOSITORY_ID"));
    if let Some((owner, name)) = repository.name.split_once('/') {
        forms.push(format!("{owner}@{owner_id}/{name}@{id}"));
    }
    forms
}

/// The claims beside the subject that the policy pins. AWS checks them since January 2026, for GitHub's issuer and in its
/// commercial regions (IAM, "Available keys for AWS OIDC federation").
fn pinned_claims(
    scope: &ArnScope<'_>,
    jobs: TrustedJobs<'_>,
    notes: &mut Vec<&'static str>,
) -> Vec<(&'static str, String)> {
    let repository = jobs.repository;
    let can_pin = scope.partition == "aws" && repository.issuer == GITHUB_ISSUER;
    let mut claims = Vec::new();
    if let Some(id) = repository.id.filter(|_| can_pin) {
        claims.push(("repository_id", id.to_string()));
    } else if repository.form != SubjectForm::Immutable {
        notes.push(
            "the role trusts a repository by its name alone; another repository that gets the name later gets the role. \
             Pinned numbers need partition aws, GitHub's own issuer, and the numbers (a GitHub token, or the \
             variables of a workflow)",
        );
    }
    // With an environment the subject has no branch: a job of any branch may name the environment.
    if jobs.environment.is_some() && jobs.purpose != Purpose::Audit {
        if can_pin {
            claims.push(("ref", format!("refs/heads/{}", jobs.branch)));
        } else {
            notes.push(
                "a job of any branch may name the environment: allow only the default branch in it \
                 (deployment branches)",
            );
        }
    }
    claims
}

/// The part of the subject after the repository.
fn trusted_events(jobs: TrustedJobs<'_>) -> Vec<String> {
    if let Some(environment) = jobs.environment {
        // GitHub escapes a colon in a name ("OpenID Connect reference").
        return vec![format!("environment:{}", environment.replace(':', "%3A"))];
    }
    let mut events = vec![format!("ref:refs/heads/{}", jobs.branch)];
    // The author of a pull request writes its workflow, so only the role that reads trusts it.
    if jobs.purpose == Purpose::Audit {
        events.push("pull_request".to_owned());
    }
    events
}
