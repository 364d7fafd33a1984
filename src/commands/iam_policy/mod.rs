//! `keytide iam-policy`: the permissions of a command for exactly the users of the policy file, and a trust policy.

mod stores;

use serde_json::{Value, json};

use super::cli::{IamPolicyArgs, Purpose};
use super::{Context, policy_file, pretty_json};
use crate::error::CommandError;
use crate::policy::{Policy, RoleArn, UserSelector, glob_to_iam_patterns};

/// GitHub's OIDC issuer, as IAM names the provider.
const OIDC_ISSUER: &str = "token.actions.githubusercontent.com";

/// The most that a managed policy may have, white space not counted (AWS, IAM quotas).
const MAX_POLICY_CHARACTERS: usize = 6_144;

pub fn run(context: &Context<'_>, arguments: &IamPolicyArgs) -> Result<String, CommandError> {
    let policy = policy_file::load_policy(context).map_err(|diagnostics| {
        diagnostics.iter().for_each(|diagnostic| context.eprint(&diagnostic.render()));
        CommandError::invalid("the policy file is wrong")
    })?;
    let account = policy.account.as_ref().map(|account| account.0.as_str()).ok_or_else(|| {
        CommandError::invalid(format!("{} names no `account`", policy.file))
            .with_help("add `account: \"123456789012\"`")
    })?;
    let own = policy.role_arn.as_ref().map_or("aws", RoleArn::partition);
    let place = ArnScope { partition: arguments.partition.as_deref().unwrap_or(own), account };
    if arguments.purpose != Purpose::Audit && rotated_user_arns(&policy, &place).is_empty() {
        let what = format!("{} lets no user be rotated", policy.file);
        let help = "add `rotation: {}` and `destinations` to an entry with a `name`";
        return Err(CommandError::invalid(what).with_help(help));
    }
    let document = if arguments.trust {
        trust_policy(context, &place, arguments)?
    } else {
        permissions_policy(context, arguments.purpose, &policy, &place)
    };
    let size = document.to_string().len();
    if size > MAX_POLICY_CHARACTERS {
        context.eprint(&format!(
            "note: this policy has {size} characters and a managed policy at most {MAX_POLICY_CHARACTERS}; \
             use globs or a common IAM path in the policy file, or split the statement\n"
        ));
    }
    Ok(pretty_json(&document))
}

/// Where the users live.
struct ArnScope<'a> {
    partition: &'a str,
    account: &'a str,
}

fn permissions_policy(
    context: &Context<'_>,
    purpose: Purpose,
    policy: &Policy,
    place: &ArnScope<'_>,
) -> Value {
    let mut statements = match purpose {
        Purpose::Audit => audit_statements(policy, place),
        Purpose::Rotate => {
            let changes = ["iam:CreateAccessKey", "iam:UpdateAccessKey"].as_slice();
            key_change_statements(
                policy,
                place,
                ("KeytideRotatesKeys", changes),
                &["iam:TagUser", "iam:UntagUser"],
            )
        }
        Purpose::Delete => key_change_statements(
            policy,
            place,
            ("KeytideDeletesKeys", &["iam:DeleteAccessKey"]),
            &["iam:UntagUser"],
        ),
    };
    statements.extend(stores::destination_statements(context, purpose, policy, place));
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What the commands that write call. A tag is a key's description, whose name is the key's ID (AWS console): the role may
/// not touch those that say who owns the user, or that other policies decide by.
fn key_change_statements(
    policy: &Policy,
    place: &ArnScope<'_>,
    (sid, changes): (&str, &[&str]),
    tagging: &[&str],
) -> Vec<Value> {
    let rotated = rotated_user_arns(policy, place);
    let describes = json!({
        "Sid": "KeytideDescribesKeys",
        "Effect": "Allow",
        "Action": tagging,
        "Resource": rotated,
        "Condition": {
            "ForAllValues:StringLike": { "aws:TagKeys": "AKIA*" },
            "Null": { "aws:TagKeys": "false" },
        },
    });
    let mut statements = vec![
        json!({
            "Sid": "KeytideReadsKeys",
            "Effect": "Allow",
            "Action": ["iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys"],
            "Resource": rotated,
        }),
        json!({ "Sid": sid, "Effect": "Allow", "Action": changes, "Resource": rotated }),
    ];
    let describing =
        policy.users.iter().filter_map(|entry| entry.rotation.as_ref()).any(|one| one.describe_keys);
    statements.extend(describing.then_some(describes));
    statements
}

/// The ARNs of the users whose keys may be changed: those that entries name, never a glob's.
fn rotated_user_arns(policy: &Policy, place: &ArnScope<'_>) -> Vec<String> {
    let entries = policy.users.iter().filter(|entry| entry.rotation.is_some());
    let names = entries.filter_map(|entry| match &entry.selector {
        UserSelector::Name(name) => Some(name.0.as_str()),
        UserSelector::Match { .. } => None,
    });
    let arn = |tail: String| format!("arn:{}:iam::{}:user/{tail}", place.partition, place.account);
    names.flat_map(|name| [arn(name.to_owned()), arn(format!("*/{name}"))]).collect()
}

/// What `audit` calls. `GetAccessKeyLastUsed` is judged by the user it belongs to (AWS, service authorization).
fn audit_statements(policy: &Policy, place: &ArnScope<'_>) -> Vec<Value> {
    let mut account_wide = vec!["iam:GenerateCredentialReport", "iam:GetCredentialReport"];
    if policy.needs_listing() {
        account_wide.push("iam:ListUsers");
    }
    let quarantine = format!("arn:{}:iam::aws:policy/AWSCompromisedKeyQuarantine*", place.partition);
    vec![
        json!({
            "Sid": "KeytideReadsKeys",
            "Effect": "Allow",
            "Action": ["iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys"],
            "Resource": audited_user_arns(policy, place),
        }),
        json!({ "Sid": "KeytideReadsTheAccount", "Effect": "Allow", "Action": account_wide, "Resource": "*" }),
        json!({
            "Sid": "KeytideSeesQuarantine",
            "Effect": "Allow",
            "Action": "iam:ListEntitiesForPolicy",
            "Resource": quarantine,
        }),
    ]
}

/// The ARNs of the listed and the claimed users. A user's ARN holds its path, which a name does not tell, and
/// `*` in an ARN crosses slashes: so each name stands twice, at the root and below any path.
fn audited_user_arns(policy: &Policy, place: &ArnScope<'_>) -> Vec<String> {
    let mut resources = Vec::new();
    let mut put = |path: &str, name: &str| {
        let arn = |tail: &str| format!("arn:{}:iam::{}:user{path}{tail}", place.partition, place.account);
        resources.extend([arn(name), arn(&format!("*/{name}"))]);
    };
    for entry in &policy.users {
        match &entry.selector {
            UserSelector::Name(name) => put("/", &name.0),
            UserSelector::Match { glob, path } => {
                let path = path.as_ref().map_or("/", |path| path.0.as_str());
                glob_to_iam_patterns(&glob.text).iter().for_each(|pattern| put(path, pattern));
            }
        }
    }
    let claims = policy.claim.iter().flat_map(|claim| glob_to_iam_patterns(&claim.value.text));
    claims.for_each(|pattern| put("/", &pattern));
    resources.dedup();
    resources
}

/// Who may assume the role: workflows of this repository on one branch, or those that wait for an environment; to read,
/// its pull requests as well, whose workflows their authors write. Repositories made, renamed or moved since 2026-07-15
/// have numeric IDs in the subject, older ones have not; both forms are listed.
fn trust_policy(
    context: &Context<'_>,
    place: &ArnScope<'_>,
    arguments: &IamPolicyArgs,
) -> Result<Value, CommandError> {
    let name = context.repository_name();
    let Some((owner, repository)) = name.as_deref().and_then(|name| name.split_once('/')) else {
        return Err(CommandError::invalid("whose workflows?").with_help("add `--repository OWNER/NAME`"));
    };
    let id = |variable: &str| context.environment.get(variable).map(str::to_owned);
    let (owner_id, id) = (id("GITHUB_REPOSITORY_OWNER_ID"), id("GITHUB_REPOSITORY_ID"));
    if owner_id.is_none() || id.is_none() {
        context.eprint(
            "note: replace OWNER_ID and REPOSITORY_ID by the numbers that \
             `gh api repos/OWNER/NAME --jq '.owner.id, .id'` prints; until then only the old form matches\n",
        );
    }
    let (owner_id, id) = (owner_id.unwrap_or("OWNER_ID".into()), id.unwrap_or("REPOSITORY_ID".into()));
    let repositories = [format!("{owner}/{repository}"), format!("{owner}@{owner_id}/{repository}@{id}")];
    let from = match &arguments.environment {
        // A colon in a name is escaped (GitHub, "OpenID Connect reference").
        Some(environment) => format!("environment:{}", environment.replace(':', "%3A")),
        None => format!("ref:refs/heads/{}", arguments.branch),
    };
    let mut events = vec![from];
    if arguments.purpose == Purpose::Audit && arguments.environment.is_none() {
        events.push("pull_request".to_owned());
    }
    let subjects: Vec<String> = repositories
        .iter()
        .flat_map(|repo| events.iter().map(move |event| format!("repo:{repo}:{event}")))
        .collect();
    let audience = if place.partition == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" };
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:{}:iam::{}:oidc-provider/{OIDC_ISSUER}", place.partition, place.account) },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": { format!("{OIDC_ISSUER}:aud"): audience, format!("{OIDC_ISSUER}:sub"): subjects },
            },
        }],
    }))
}
