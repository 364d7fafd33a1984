//! Builds the trust policy of a role that workflows of this repository assume.

use serde_json::{Value, json};

use crate::commands::cli::{IamPolicyArgs, Purpose};
use crate::commands::context::Context;
use crate::destinations::permissions::ArnScope;
use crate::error::CommandError;

/// GitHub's OIDC issuer, as IAM names the provider.
const OIDC_ISSUER: &str = "token.actions.githubusercontent.com";

/// Builds the trust policy.
pub fn trust_policy(
    context: &Context<'_>,
    scope: &ArnScope<'_>,
    arguments: &IamPolicyArgs,
) -> Result<Value, CommandError> {
    let name = context.repository_name();
    let Some((owner, repository)) = name.as_deref().and_then(|name| name.split_once('/')) else {
        return Err(CommandError::invalid("--trust needs --repository OWNER/NAME"));
    };
    let mut subjects = Vec::new();
    for repository in repository_forms(context, owner, repository) {
        for event in trusted_events(arguments) {
            subjects.push(format!("repo:{repository}:{event}"));
        }
    }
    let audience = if scope.partition == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" };
    let provider = format!("arn:{}:iam::{}:oidc-provider/{OIDC_ISSUER}", scope.partition, scope.account);
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": { format!("{OIDC_ISSUER}:aud"): audience, format!("{OIDC_ISSUER}:sub"): subjects },
            },
        }],
    }))
}

/// The repository as the subject of a token names it. Repositories that were created, renamed or moved since 2026-07-15
/// have numeric IDs in the subject, older ones have not, so the policy lists both forms.
fn repository_forms(context: &Context<'_>, owner: &str, repository: &str) -> [String; 2] {
    let owner_id = context.environment.get("GITHUB_REPOSITORY_OWNER_ID");
    let id = context.environment.get("GITHUB_REPOSITORY_ID");
    if owner_id.is_none() || id.is_none() {
        context.eprint(
            "note: replace OWNER_ID and REPOSITORY_ID with the numbers that \
             `gh api repos/OWNER/NAME --jq '.owner.id, .id'` prints; without them the role trusts only repositories \
             whose tokens have no IDs\n",
        );
    }
    let (owner_id, id) = (owner_id.unwrap_or("OWNER_ID"), id.unwrap_or("REPOSITORY_ID"));
    [format!("{owner}/{repository}"), format!("{owner}@{owner_id}/{repository}@{id}")]
}

/// The part of the subject after the repository.
fn trusted_events(arguments: &IamPolicyArgs) -> Vec<String> {
    if let Some(environment) = &arguments.environment {
        // GitHub escapes a colon in a name ("OpenID Connect reference").
        return vec![format!("environment:{}", environment.replace(':', "%3A"))];
    }
    let mut events = vec![format!("ref:refs/heads/{}", arguments.branch)];
    // The author of a pull request writes its workflow, so only the role that reads trusts it.
    if arguments.purpose == Purpose::Audit {
        events.push("pull_request".to_owned());
    }
    events
}
