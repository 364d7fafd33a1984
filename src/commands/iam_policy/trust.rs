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
    let mut notes = Vec::new();
    let subjects = list_subjects(jobs.repository, &trusted_events(jobs), &mut notes);
    let claims = pinned_claims(scope, jobs, &mut notes);
    let equal = OneOrMany::Many(subjects);
    let document = trust_document(scope, &jobs.repository.issuer, ("StringEquals", equal), claims);
    TrustPolicy { document, notes }
}

/// Builds the trust policy of a role for jobs with these events, the parts of a subject after the repository. With
/// `has_patterns`, a `*` in one matches everything.
pub fn trust_events(
    scope: &ArnScope<'_>,
    repository: &TokenRepository,
    events: &[String],
    has_patterns: bool,
) -> TrustPolicy {
    let mut notes = Vec::new();
    let subjects = list_subjects(repository, events, &mut notes);
    let claims = pin_repository(scope, repository, &mut notes);
    let operator = if has_patterns { "StringLike" } else { "StringEquals" };
    let subjects = (operator, OneOrMany::Many(subjects));
    TrustPolicy { document: trust_document(scope, &repository.issuer, subjects, claims), notes }
}

fn list_subjects(
    repository: &TokenRepository,
    events: &[String],
    notes: &mut Vec<&'static str>,
) -> Vec<String> {
    let mut subjects = Vec::new();
    for repository in repository_forms(repository, notes) {
        subjects.extend(events.iter().map(|event| format!("repo:{repository}:{event}")));
    }
    subjects
}

fn trust_document(
    scope: &ArnScope<'_>,
    issuer: &str,
    (operator, subjects): (&'static str, OneOrMany),
    claims: Vec<(&'static str, String)>,
) -> PolicyDocument {
    let mut keys = ConditionKeys::from([(format!("{issuer}:aud"), OneOrMany::one(token_audience(scope)))]);
    for (claim, value) in claims {
        keys.insert(format!("{issuer}:{claim}"), OneOrMany::One(value));
    }
    let mut condition = BTreeMap::from([("StringEquals", keys)]);
    condition.entry(operator).or_default().insert(format!("{issuer}:sub"), subjects);
    PolicyDocument::new(vec![PolicyStatement {
        sid: None,
        effect: Effect::Allow,
        principal: Some(FederatedPrincipal { federated: provider_arn(scope, issuer) }),
        action: OneOrMany::one("sts:AssumeRoleWithWebIdentity"),
        resource: None,
        condition,
    }])
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
    let can_pin = can_pin_claims(scope, jobs.repository);
    let mut claims = pin_repository(scope, jobs.repository, notes);
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

fn can_pin_claims(scope: &ArnScope<'_>, repository: &TokenRepository) -> bool {
    scope.partition == "aws" && repository.issuer == GITHUB_ISSUER
}

/// The repository's number, where AWS checks it.
fn pin_repository(
    scope: &ArnScope<'_>,
    repository: &TokenRepository,
    notes: &mut Vec<&'static str>,
) -> Vec<(&'static str, String)> {
    let mut claims = Vec::new();
    if let Some(id) = repository.id.filter(|_| can_pin_claims(scope, repository)) {
        claims.push(("repository_id", id.to_string()));
    } else if repository.form != SubjectForm::Immutable {
        notes.push(
            "the role trusts a repository by its name alone; another repository that gets the name later gets the role. \
             Pinned numbers need partition aws, GitHub's own issuer, and the numbers (a GitHub token, or the \
             variables of a workflow)",
        );
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
