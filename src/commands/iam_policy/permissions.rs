//! Builds the permissions of `audit`, `rotate` and the deletion of keys.

use std::collections::BTreeMap;

use crate::commands::cli::Purpose;
use crate::destinations::permissions::{ArnScope, NeededPermissions};
use crate::iam::LIST_SERVICE_CREDENTIALS;
use crate::iam::policy_document::{ConditionKeys, OneOrMany, PolicyDocument, PolicyStatement};
use crate::policy::{Policy, UserPolicy, UserSelector, glob_to_iam_patterns};
use crate::rotation::inactive_keys::INACTIVE_KEYS_TAG;

/// Builds the permissions policy, with what the destinations need.
pub fn permissions_policy(
    purpose: Purpose,
    policy: &Policy,
    scope: &ArnScope<'_>,
    destinations: &NeededPermissions,
) -> PolicyDocument {
    let mut statements = match purpose {
        Purpose::Audit => audit_statements(policy, scope),
        Purpose::Rotate => rotation_statements(policy, scope),
        Purpose::Delete => {
            let all = rotated_user_arns(policy, scope);
            key_change_statements(&all, &[(&DELETE_ACTIONS, all.clone())])
        }
    };
    statements.extend(destinations.statements());
    PolicyDocument::new(statements)
}

/// The actions of a command that changes keys.
struct KeyChangeActions {
    sid: &'static str,
    on_keys: &'static [&'static str],
    on_tags: &'static [&'static str],
}

const ROTATE_ACTIONS: KeyChangeActions = KeyChangeActions {
    sid: "KeytideRotatesKeys",
    on_keys: &["iam:CreateAccessKey", "iam:UpdateAccessKey"],
    on_tags: &["iam:TagUser", "iam:UntagUser"],
};
/// For users with `retire`: no key is made for them.
const RETIRE_ACTIONS: KeyChangeActions = KeyChangeActions {
    sid: "KeytideRetiresKeys",
    on_keys: &["iam:UpdateAccessKey"],
    on_tags: ROTATE_ACTIONS.on_tags,
};
const DELETE_ACTIONS: KeyChangeActions = KeyChangeActions {
    sid: "KeytideDeletesKeys",
    on_keys: &["iam:DeleteAccessKey"],
    on_tags: &["iam:UntagUser"],
};

/// What every command reads of a user.
const READ_ACTIONS: [&str; 3] = ["iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys"];

/// The actions on an IAM user that the role of a command is allowed. `entry` is the one that applies to the user.
#[cfg(feature = "online")]
pub fn actions_on_user(purpose: Purpose, entry: Option<&UserPolicy>) -> Vec<&'static str> {
    let changes = match purpose {
        Purpose::Audit => {
            let lists_credentials = entry.is_some_and(UserPolicy::limits_service_credentials);
            let more = if lists_credentials { &[LIST_SERVICE_CREDENTIALS][..] } else { &[] };
            return [&READ_ACTIONS, more].concat();
        }
        Purpose::Rotate if entry.is_some_and(is_retired) => RETIRE_ACTIONS,
        Purpose::Rotate => ROTATE_ACTIONS,
        Purpose::Delete => DELETE_ACTIONS,
    };
    [&READ_ACTIONS, changes.on_keys, changes.on_tags].concat()
}

fn is_retired(entry: &UserPolicy) -> bool {
    entry.retire.is_some()
}

/// What `rotate` calls. Only a user with `rotation` gets keys.
fn rotation_statements(policy: &Policy, scope: &ArnScope<'_>) -> Vec<PolicyStatement> {
    let changes = [
        (&ROTATE_ACTIONS, changed_user_arns(policy, scope, |entry| !is_retired(entry))),
        (&RETIRE_ACTIONS, changed_user_arns(policy, scope, is_retired)),
    ];
    key_change_statements(&rotated_user_arns(policy, scope), &changes)
}

/// What a command that changes keys calls; on all users, and on those of each kind.
fn key_change_statements(
    all: &[String],
    changes: &[(&KeyChangeActions, Vec<String>)],
) -> Vec<PolicyStatement> {
    let all = OneOrMany::Many(all.to_vec());
    let on_tags = changes.first().map(|(actions, _)| actions.on_tags).unwrap_or_default();
    // The console shows the tag whose name is a key's ID as the key's description. The other tag records inactive keys.
    // The condition keeps the role from tags that say who owns the user, or by which other policies grant access.
    let mut tags =
        PolicyStatement::allow("KeytideTagsKeys", OneOrMany::many(on_tags.iter().copied()), all.clone());
    let names = OneOrMany::many(["AKIA*", INACTIVE_KEYS_TAG]);
    tags.condition = BTreeMap::from([
        ("ForAllValues:StringLike", condition_on_tag_keys(names)),
        ("Null", condition_on_tag_keys(OneOrMany::one("false"))),
    ]);
    let mut statements = vec![PolicyStatement::allow("KeytideReadsKeys", OneOrMany::many(READ_ACTIONS), all)];
    for (actions, users) in changes.iter().filter(|(_, users)| !users.is_empty()) {
        let on_keys = OneOrMany::many(actions.on_keys.iter().copied());
        statements.push(PolicyStatement::allow(actions.sid, on_keys, OneOrMany::Many(users.clone())));
    }
    statements.push(tags);
    statements
}

fn condition_on_tag_keys(value: OneOrMany) -> ConditionKeys {
    ConditionKeys::from([("aws:TagKeys".to_owned(), value)])
}

/// The ARNs of the users whose keys may be changed. Only entries with a name rotate; a glob never does.
pub fn rotated_user_arns(policy: &Policy, scope: &ArnScope<'_>) -> Vec<String> {
    changed_user_arns(policy, scope, |_| true)
}

fn changed_user_arns(
    policy: &Policy,
    scope: &ArnScope<'_>,
    is_wanted: impl Fn(&UserPolicy) -> bool,
) -> Vec<String> {
    let mut arns = Vec::new();
    for entry in policy.users.iter().filter(|entry| is_wanted(entry)) {
        if let (Some(_), UserSelector::Name(name)) = (entry.key_changes(), &entry.selector) {
            arns.extend(user_arns(scope, "/", &name.0));
        }
    }
    arns
}

/// What `audit` calls. AWS authorizes `GetAccessKeyLastUsed` by the user that the key belongs to (service authorization
/// reference).
fn audit_statements(policy: &Policy, scope: &ArnScope<'_>) -> Vec<PolicyStatement> {
    let mut account_wide = vec!["iam:GenerateCredentialReport", "iam:GetCredentialReport"];
    if policy.needs_listing() {
        account_wide.push("iam:ListUsers");
    }
    let audited = OneOrMany::Many(audited_user_arns(policy, scope));
    let quarantine = format!("arn:{}:iam::aws:policy/AWSCompromisedKeyQuarantine*", scope.partition);
    let mut statements = vec![
        PolicyStatement::allow("KeytideReadsKeys", OneOrMany::many(READ_ACTIONS), audited),
        PolicyStatement::allow("KeytideReadsTheAccount", OneOrMany::many(account_wide), OneOrMany::one("*")),
        PolicyStatement::allow(
            "KeytideSeesQuarantine",
            OneOrMany::one("iam:ListEntitiesForPolicy"),
            OneOrMany::One(quarantine),
        ),
    ];
    let limited = policy.users.iter().filter(|entry| entry.limits_service_credentials());
    let limited = entry_user_arns(limited, scope);
    if !limited.is_empty() {
        statements.push(PolicyStatement::allow(
            "KeytideListsServiceCredentials",
            OneOrMany::one(LIST_SERVICE_CREDENTIALS),
            OneOrMany::Many(limited),
        ));
    }
    statements
}

/// The ARNs of the users that entries and claims of the policy file match.
fn audited_user_arns(policy: &Policy, scope: &ArnScope<'_>) -> Vec<String> {
    let mut arns = entry_user_arns(policy.users.iter(), scope);
    for claim in &policy.claim {
        for pattern in glob_to_iam_patterns(&claim.value.text) {
            arns.extend(user_arns(scope, "/", &pattern));
        }
    }
    arns.dedup();
    arns
}

/// The ARNs of the users that these entries match.
fn entry_user_arns<'p>(entries: impl Iterator<Item = &'p UserPolicy>, scope: &ArnScope<'_>) -> Vec<String> {
    let mut arns = Vec::new();
    for entry in entries {
        match &entry.selector {
            UserSelector::Name(name) => arns.extend(user_arns(scope, "/", &name.0)),
            UserSelector::Match { glob, path } => {
                let path = path.as_ref().map_or("/", |path| path.0.as_str());
                for pattern in glob_to_iam_patterns(&glob.text) {
                    arns.extend(user_arns(scope, path, &pattern));
                }
            }
        }
    }
    arns.dedup();
    arns
}

/// The ARNs of a user directly in a path and in any path below it: an ARN contains the path, which a name does not say,
/// and `*` in an ARN matches slashes too.
fn user_arns(scope: &ArnScope<'_>, path: &str, name: &str) -> [String; 2] {
    [scope.user_arn(&format!("{path}{name}")), scope.user_arn(&format!("{path}*/{name}"))]
}
