//! Builds the role that workflows assume in place of the key: the user's permissions, and a trust for exactly the subjects
//! of those workflows, and the command that prints it. Pure.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::commands::cli::{CommonArgs, MigrateArgs};
use crate::commands::iam_policy::repository::TokenRepository;
use crate::commands::iam_policy::set_up::{Role, RoleDocument, SetUp, collect_set_up};
use crate::commands::iam_policy::trust::trust_events;
use crate::destinations::permissions::ArnScope;
use crate::iam::granted::GrantingAccount;
use crate::iam::policy_document::PolicyDocument;
use crate::migrate::Subject;
use crate::policy::{PLACEHOLDER, Policy, RoleArn};

/// The longest name of a role (IAM quotas).
const MAX_ROLE_NAME: usize = 64;

/// How many managed policies a role has at most, if the quota of the account was not raised (IAM quotas).
const MAX_MANAGED_POLICIES: usize = 10;
/// The inline policies of a role together (IAM quotas).
const MAX_INLINE_CHARACTERS: usize = 10_240;

/// What a role is built from.
pub struct RoleRequest<'a> {
    pub user: &'a str,
    pub role_name: &'a str,
    pub policy: &'a Policy,
    /// `None`: AWS could not be asked.
    pub account: Option<&'a GrantingAccount>,
    pub repository: &'a TokenRepository,
    pub subjects: &'a BTreeSet<Subject>,
}

/// The role of a user: `github-` and the name.
pub fn default_role_name(user: &str) -> String {
    format!("github-{user}").chars().take(MAX_ROLE_NAME).collect()
}

/// The ARN that workflows get. While the permissions are not known the role cannot be made, so `check` has to refuse it.
pub fn role_arn(account: Option<&GrantingAccount>, policy: &Policy, role_name: &str) -> String {
    match account {
        Some(account) => format!("arn:{}:iam::{}:role/{role_name}", account.partition, account.number),
        None => {
            let partition = policy.role_arn.as_ref().map_or("aws", RoleArn::partition);
            format!("arn:{partition}:iam::{PLACEHOLDER}:role/{role_name}")
        }
    }
}

/// Builds the role. Returns it with notes about what its reader must know.
pub fn build_role(request: &RoleRequest<'_>) -> (SetUp, Vec<String>) {
    let known = request.account.map(|account| (account.partition.as_str(), account.number.as_str()));
    let own = request.policy.account.as_ref().map_or(PLACEHOLDER, |account| account.0.as_str());
    let (partition, account) = known.unwrap_or(("aws", own));
    let scope = ArnScope { partition, account };
    let events = list_events(request);
    let has_patterns = request.subjects.iter().any(Subject::is_pattern);
    let trust = trust_events(&scope, request.repository, &events, has_patterns);
    let mut notes: Vec<String> = trust.notes.iter().map(|note| (*note).to_owned()).collect();
    let role = match request.account {
        Some(account) => {
            notes.extend(note_permissions(account));
            Role {
                permissions: account.granted.merge_inline().map(RoleDocument::Copied),
                managed: account.granted.role_policies(),
                boundary: account.granted.boundary.clone(),
                ..empty_role(request, trust.document)
            }
        }
        None => Role {
            permissions: Some(RoleDocument::Copied(unknown_permissions())),
            ..empty_role(request, trust.document)
        },
    };
    let set_up = collect_set_up(&scope, request.repository, vec![role]);
    (SetUp { name_option: "--role-name", ..set_up }, notes)
}

fn empty_role(request: &RoleRequest<'_>, trust: PolicyDocument) -> Role {
    Role {
        word: "workflows",
        name: request.role_name.to_owned(),
        description: format!(
            "Workflows of {}, in place of the key of {}",
            request.repository.name, request.user
        ),
        trust,
        permissions: None,
        managed: Vec::new(),
        boundary: None,
    }
}

/// AWS refuses an action without a service, so that the role cannot be made before it is replaced.
fn unknown_permissions() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": PLACEHOLDER, "Resource": PLACEHOLDER }],
    })
}

/// The parts of the subjects after the repository.
pub fn list_events(request: &RoleRequest<'_>) -> Vec<String> {
    let branch = request.repository.default_branch.as_deref().unwrap_or("main");
    let has_patterns = request.subjects.iter().any(Subject::is_pattern);
    let mut events = BTreeSet::new();
    for subject in request.subjects {
        // IAM reads `${x}` as a policy variable in every text, and `${$}` as a dollar.
        let text = subject.text(branch).replace("${", "${$}{");
        // Only what is meant as a pattern may be one.
        let is_literal = has_patterns && !subject.is_pattern();
        events.insert(if is_literal { text.replace('*', "${*}").replace('?', "${?}") } else { text });
    }
    events.into_iter().collect()
}

fn note_permissions(account: &GrantingAccount) -> Vec<String> {
    let mut notes = Vec::new();
    let bound = account.granted.list_user_bound();
    if !bound.is_empty() {
        notes.push(format!(
            "the inline policies {} name the user, which a role is not: change those statements",
            bound.join(", ")
        ));
    }
    notes.extend(note_limits(account));
    if account.granted.has_mixed_versions() {
        notes.push("inline policies of both versions of the policy language were joined: `${` in one of the older version is a variable now".to_owned());
    }
    if account.granted.merge_inline().is_none() && account.granted.role_policies().is_empty() {
        notes.push("the user has no permissions, so the role has none".to_owned());
    }
    notes
}

/// What AWS will not accept of a role that gets together what a user and its groups had apart.
fn note_limits(account: &GrantingAccount) -> Vec<String> {
    let mut notes = Vec::new();
    let managed = account.granted.role_policies().len();
    if managed > MAX_MANAGED_POLICIES {
        notes.push(format!(
            "the role has {managed} managed policies, and AWS attaches {MAX_MANAGED_POLICIES} to one unless the account's quota \
             is higher: join some of them before you create the role"
        ));
    }
    let inline = account.granted.merge_inline().map(|document| document.to_string()).unwrap_or_default();
    // AWS does not count white space, which JSON without line breaks has only in texts
    let size = inline.chars().filter(|character| !character.is_whitespace()).count();
    if size > MAX_INLINE_CHARACTERS {
        notes.push(format!(
            "the inline policy of the role has {size} characters, and AWS takes {MAX_INLINE_CHARACTERS}: move statements into \
             managed policies of the user before you create the role"
        ));
    }
    notes
}

/// The role as JSON, for `--format json`.
pub fn describe_role(set_up: &SetUp) -> Value {
    let Some(role) = set_up.roles.first() else { return Value::Null };
    json!({
        "role_name": role.name,
        "trust": role.trust,
        "permissions": role.permissions,
        "managed_policies": role.managed,
        "permissions_boundary": role.boundary,
    })
}

/// The command that prints the script for the role that the workflows now name, with what this run was given.
pub fn render_script_command(common: &CommonArgs, arguments: &MigrateArgs) -> String {
    let subject = arguments.subject.and_then(|form| form.to_possible_value());
    let options = [
        ("--policy", common.policy.as_deref()),
        ("--repository", common.repository.as_deref()),
        ("--role-name", arguments.role_name.as_deref()),
        ("--subject", subject.as_ref().map(|form| form.get_name())),
        ("--issuer", arguments.issuer.as_deref()),
    ];
    let mut words = vec!["keytide", "migrate", "--user", &arguments.user.0];
    words.extend(options.iter().filter_map(|(name, value)| Some([*name, (*value)?])).flatten());
    words.extend(["--format", "cli"]);
    // None of the values can hold a zero byte, which alone cannot be quoted
    shlex::try_join(words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::granted::{GrantedPolicies, InlinePolicy};

    fn account(managed: usize, inline: usize) -> GrantingAccount {
        let resources: Vec<String> =
            (0..inline).map(|number| format!("arn:aws:s3:::bucket-{number:03}/a b")).collect();
        let statement = json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": resources }]);
        GrantingAccount {
            number: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            granted: GrantedPolicies {
                managed: (0..managed).map(|number| format!("arn:aws:iam::aws:policy/P{number}")).collect(),
                inline: vec![InlinePolicy {
                    name: "own".to_owned(),
                    document: json!({ "Version": "2012-10-17", "Statement": statement }),
                }],
                boundary: None,
            },
        }
    }

    #[test]
    fn a_role_beyond_the_quotas_of_aws_is_said() {
        assert_eq!(note_limits(&account(10, 100)), [""; 0]);
        let notes = note_limits(&account(13, 500));
        assert!(notes[0].contains("has 13 managed policies, and AWS attaches 10"), "{notes:?}");
        assert!(notes[1].contains("characters, and AWS takes 10240"), "{notes:?}");
    }
}
