//! Checks each user that may be rotated: the permissions on it, its owner tag, and the credential report of the account.

use super::account::Account;
use super::check::Check;
use super::github_checks::is_refusal;
use crate::aws::error::AwsError;
use crate::aws::iam::IamClient;
use crate::aws::iam::access::DeniedAction;
use crate::commands::cli::Purpose;
use crate::commands::iam_policy::actions_on_user;
use crate::engine::observe::OWNER_TAG;
use crate::iam::{LIST_SERVICE_CREDENTIALS, UserRecord};
use crate::policy::{Policy, RoleArn, UserSelector};
use crate::ports::{BackendError, ErrorKind};
use crate::rotation::inactive_keys::INACTIVE_KEYS_TAG;

const PERMISSIONS: &str = "iam-permissions";
const OWNER: &str = "owner-tag";
const REPORT: &str = "credential-report";
const PERMISSIONS_HELP: &str = "add what `keytide iam-policy --for rotate` prints to the role";
/// The form of a tag with which the console describes a key; the role may write such tags only.
const DESCRIPTION_TAG: &str = "AKIAKEYTIDEDOCTOR000";

/// The users that the policy file names, and whether any of them may be rotated.
pub struct NamedUsers<'a> {
    policy: &'a Policy,
    pub names: Vec<&'a str>,
    pub are_rotated: bool,
}

impl<'a> NamedUsers<'a> {
    pub fn of_policy(policy: &'a Policy) -> Self {
        let (mut rotated, mut others) = (Vec::new(), Vec::new());
        for entry in &policy.users {
            match (&entry.selector, entry.key_changes()) {
                (UserSelector::Name(name), Some(_)) => rotated.push(name.0.as_str()),
                (UserSelector::Name(name), None) => others.push(name.0.as_str()),
                (UserSelector::Match { .. }, _) => {}
            }
        }
        let are_rotated = !rotated.is_empty();
        // Where keys rotate, only those users matter: the role of a rotation has rights on no others
        Self { policy, names: if are_rotated { rotated } else { others }, are_rotated }
    }

    /// What the role must be allowed on one of the users.
    fn needed_actions(&self, user: &str) -> Vec<&'static str> {
        let purpose = if self.are_rotated { Purpose::Rotate } else { Purpose::Audit };
        actions_on_user(purpose, self.policy.find_user_policy(user, None))
    }
}

/// How the permissions were found out.
#[derive(Debug, PartialEq, Eq)]
enum PermissionSource {
    Simulated,
    /// By requests that change nothing, because the caller may not simulate.
    Tried,
}

pub async fn check_permissions(account: &Account, users: &NamedUsers<'_>, role: Option<&RoleArn>) -> Check {
    if users.names.is_empty() {
        return Check::skip(PERMISSIONS, "the policy file names no user by its name", "");
    }
    let mut denied = Vec::new();
    let mut source = PermissionSource::Simulated;
    for user in &users.names {
        let actions = users.needed_actions(user);
        let found = match simulate(account, user, role, &actions).await {
            Some(found) => found,
            None => {
                source = PermissionSource::Tried;
                try_requests(account.iam(), user, &actions, users.are_rotated).await
            }
        };
        match found {
            Ok(found) => denied.extend(found),
            Err(error) => return decide_permissions(&source, Err(error.into()), users.are_rotated),
        }
    }
    decide_permissions(&source, Ok(denied), users.are_rotated)
}

/// `None`: the caller may not simulate, or what it is cannot be simulated.
async fn simulate(
    account: &Account,
    user: &str,
    role: Option<&RoleArn>,
    actions: &[&str],
) -> Option<Result<Vec<DeniedAction>, AwsError>> {
    let principal = simulated_principal(&account.caller().arn, role)?;
    let arn = match account.iam().get_user(user).await {
        // The ARN contains the path of the user, on which a policy may depend
        Ok(Some(found)) => found.arn,
        _ => format!("arn:{}:iam::{}:user/{user}", account.caller().partition, account.caller().account),
    };
    let tags = [DESCRIPTION_TAG, INACTIVE_KEYS_TAG];
    // A caller that may not simulate is no fault of the role: the requests are tried instead
    match account.iam().simulate_actions(&principal, actions, &arn, &tags).await {
        Err(error) if matches!(error.kind, ErrorKind::Rejected | ErrorKind::NotFound) => None,
        found => Some(found),
    }
}

/// The principal whose policies a caller has; `None` for one that has none of its own.
fn simulated_principal(caller: &str, role: Option<&RoleArn>) -> Option<String> {
    let parts: Vec<&str> = caller.splitn(6, ':').collect();
    let [_, partition, _, _, account, resource] = parts[..] else { return None };
    if resource.starts_with("user/") {
        return Some(caller.to_owned());
    }
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    // The session's ARN leaves out the role's path.
    match role.filter(|role| role.0.rsplit('/').next() == Some(name)) {
        Some(role) => Some(role.0.clone()),
        None => Some(format!("arn:{partition}:iam::{account}:role/{name}")),
    }
}

/// Sends the requests of the command, as far as they change nothing.
async fn try_requests(
    iam: &IamClient,
    user: &str,
    actions: &[&str],
    is_rotated: bool,
) -> Result<Vec<DeniedAction>, AwsError> {
    let mut denied = Vec::new();
    note_refusal(iam.get_user(user).await.map(drop), user, &mut denied)?;
    // GetAccessKeyLastUsed needs the ID of a key, so it is tried only if the user has one
    let keys = iam.list_access_keys(user).await;
    if let Ok(Some(keys)) = &keys
        && let Some(key) = keys.first()
    {
        note_refusal(iam.get_last_use(user, &key.id).await.map(drop), user, &mut denied)?;
    }
    note_refusal(keys.map(drop), user, &mut denied)?;
    if actions.contains(&LIST_SERVICE_CREDENTIALS) {
        note_refusal(iam.list_service_credentials(user).await.map(drop), user, &mut denied)?;
    }
    if is_rotated {
        note_refusal(iam.try_key_change(user).await, user, &mut denied)?;
    }
    Ok(denied)
}

fn note_refusal(
    answer: Result<(), AwsError>,
    user: &str,
    denied: &mut Vec<DeniedAction>,
) -> Result<(), AwsError> {
    match answer {
        Err(error) if error.is_access_denied => {
            denied.push(DeniedAction { action: error.operation.to_owned(), resource: user.to_owned() });
            Ok(())
        }
        answer => answer,
    }
}

fn decide_permissions(
    source: &PermissionSource,
    denied: Result<Vec<DeniedAction>, BackendError>,
    is_rotated: bool,
) -> Check {
    let denied = match denied {
        Ok(denied) => denied,
        Err(error) => return Check::unknown(PERMISSIONS, error.message),
    };
    if !denied.is_empty() {
        let mut texts: Vec<String> =
            denied.iter().map(|one| format!("{} on {}", one.action, one.resource)).collect();
        texts.dedup();
        let help = if is_rotated {
            PERMISSIONS_HELP
        } else {
            "add what `keytide iam-policy --for audit` prints to the role"
        };
        return Check::fail(PERMISSIONS, format!("not allowed: {}", texts.join(", ")), help);
    }
    match source {
        PermissionSource::Simulated => {
            Check::ok(PERMISSIONS, "IAM's policy simulator allows every action on the users")
        }
        PermissionSource::Tried if is_rotated => Check::ok(
            PERMISSIONS,
            "reading and iam:UpdateAccessKey are allowed; iam:CreateAccessKey and the tags cannot be tried without a \
             change, and the caller may not use iam:SimulatePrincipalPolicy",
        ),
        PermissionSource::Tried => Check::ok(PERMISSIONS, "reading is allowed"),
    }
}

pub async fn check_owner_tags(iam: &IamClient, users: &NamedUsers<'_>, repository: u64) -> Check {
    if !users.are_rotated {
        return Check::skip(OWNER, "no user has `rotation:`", "");
    }
    let mut wrong = Vec::new();
    let mut fix = String::new();
    for user in &users.names {
        match iam.get_user(user).await {
            Err(error) => return Check::from_read_error(OWNER, &error.into(), PERMISSIONS_HELP),
            Ok(found) => {
                let Some((what, help)) = find_owner_fault(user, found.as_ref(), repository) else { continue };
                wrong.push(what);
                if fix.is_empty() {
                    fix = help;
                }
            }
        }
    }
    if wrong.is_empty() {
        return Check::ok(
            OWNER,
            format!("`{OWNER_TAG}` of each user names this repository; users: {}", users.names.len()),
        );
    }
    Check::fail(OWNER, wrong.join("; "), fix)
}

/// What is wrong with the owner tag of a user, and what to do.
fn find_owner_fault(user: &str, found: Option<&UserRecord>, repository: u64) -> Option<(String, String)> {
    let tag = format!("aws iam tag-user --user-name {user} --tags Key={OWNER_TAG},Value={repository}");
    let Some(found) = found else {
        let fix = "correct the name in the policy file, or create the user";
        return Some((format!("there is no user `{user}`"), fix.to_owned()));
    };
    match found.tags.get(OWNER_TAG) {
        Some(owner) if *owner == repository.to_string() => None,
        Some(owner) => Some((
            format!("`{user}` belongs to the repository with the ID {owner}"),
            format!("let that repository rotate it, or give it to this one: `{tag}`"),
        )),
        None => Some((format!("`{user}` has no tag `{OWNER_TAG}`"), format!("`{tag}`"))),
    }
}

pub async fn check_credential_report(iam: &IamClient) -> Check {
    decide_report(iam.has_credential_report().await.map_err(BackendError::from))
}

fn decide_report(found: Result<bool, BackendError>) -> Check {
    match found {
        Ok(true) => Check::ok(
            REPORT,
            "it can be read; the rules `root-key` and `console-user-key` need it: `keytide audit --source report`",
        ),
        Ok(false) => Check::ok(
            REPORT,
            "it can be read; there is none yet, and `keytide audit --source report` orders one",
        ),
        Err(error) if is_refusal(&error) => Check::warn(
            REPORT,
            error.message,
            "grant iam:GenerateCredentialReport and iam:GetCredentialReport to the role of `keytide audit`; without them the \
             rules `root-key` and `console-user-key` are skipped. A rotation does not need them",
        ),
        Err(error) => Check::unknown(REPORT, error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Skip, Warn};

    #[test]
    fn a_session_has_the_policies_of_its_role() {
        let role = RoleArn("arn:aws:iam::123456789012:role/ci/keytide".to_owned());
        let session = "arn:aws:sts::123456789012:assumed-role/keytide/run";
        assert_eq!(simulated_principal(session, Some(&role)).as_deref(), Some(role.0.as_str()));
        assert_eq!(
            simulated_principal(session, None).as_deref(),
            Some("arn:aws:iam::123456789012:role/keytide")
        );
        assert_eq!(
            simulated_principal("arn:aws:iam::1:user/x/y", None).as_deref(),
            Some("arn:aws:iam::1:user/x/y")
        );
        assert_eq!(simulated_principal("arn:aws:iam::1:root", None), None);
    }

    #[test]
    fn a_missing_permission_is_named() {
        let denied = vec![DeniedAction { action: "iam:CreateAccessKey".into(), resource: "ci".into() }];
        let check = decide_permissions(&PermissionSource::Simulated, Ok(denied), true);
        assert_eq!((check.status, check.seen.as_str()), (Fail, "not allowed: iam:CreateAccessKey on ci"));
        assert_eq!(decide_permissions(&PermissionSource::Simulated, Ok(vec![]), true).status, Good);
        assert!(
            decide_permissions(&PermissionSource::Tried, Ok(vec![]), true).seen.contains("cannot be tried")
        );
        let lost = BackendError::new(ErrorKind::NotApplied, "no answer");
        assert!(decide_permissions(&PermissionSource::Tried, Err(lost), true).is_incomplete);
    }

    #[test]
    fn the_owner_must_be_this_repository() {
        let user = |owner: Option<&str>| UserRecord {
            id: "AIDAX".into(),
            arn: "arn".into(),
            tags: owner.map(|owner| (OWNER_TAG.to_owned(), owner.to_owned())).into_iter().collect(),
        };
        assert_eq!(find_owner_fault("ci", Some(&user(Some("7"))), 7), None);
        assert!(find_owner_fault("ci", Some(&user(Some("8"))), 7).unwrap().0.contains("ID 8"));
        let (_, fix) = find_owner_fault("ci", Some(&user(None)), 7).unwrap();
        assert_eq!(fix, "`aws iam tag-user --user-name ci --tags Key=keytide:owner,Value=7`");
        assert!(find_owner_fault("ci", None, 7).unwrap().0.contains("no user"));
    }

    #[test]
    fn a_rotation_needs_no_credential_report() {
        assert_eq!(decide_report(Ok(false)).status, Good);
        assert_eq!(decide_report(Err(BackendError::new(ErrorKind::Rejected, "no"))).status, Warn);
        let lost = decide_report(Err(BackendError::new(ErrorKind::NotApplied, "no")));
        assert!(lost.status == Skip && lost.is_incomplete);
    }
}
