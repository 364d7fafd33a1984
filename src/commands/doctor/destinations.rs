//! Checks that each destination could take a new key now: its files and keys, without a change.

use super::check::{Check, DESTINATIONS, destination_check};
use crate::commands::rotation::rotated_users;
use crate::destinations::kind::describe_destination;
use crate::engine::observe::{load_workspace, preflight_destinations};
use crate::live::LiveBackend;
use crate::policy::{Destination, Policy};
use crate::ports::{BackendError, BackendResult, IamRead as _, RepositoryContents as _};

pub async fn check_destinations(backend: &LiveBackend, policy: &Policy) -> Vec<Check> {
    let head = match backend.read_default_head().await {
        Ok(head) => head,
        Err(error) => {
            return vec![Check::from_read_error(DESTINATIONS, &error, "give the token `contents: read`")];
        }
    };
    let mut checks = Vec::new();
    // A retirement gives no key to a destination
    for (user, entry, _) in rotated_users(policy).filter(|(_, entry, _)| entry.rotation.is_some()) {
        let keys = match backend.list_access_keys(user).await {
            Ok(keys) => keys,
            Err(error) => {
                checks.push(explain_unread_keys(user, &error));
                continue;
            }
        };
        let keys: Vec<&str> = keys.iter().map(|key| &*key.id).collect();
        for destination in &entry.destinations {
            let name = destination_check(destination.kind().kind_name());
            let place = format!("{} of `{user}`", describe_place(destination));
            let taken = try_each_key(backend, &head, destination, &keys).await;
            checks.push(decide_destination(&name, &place, taken));
        }
    }
    if checks.is_empty() {
        checks.push(Check::skip(DESTINATIONS, "no user with `rotation:` has destinations", ""));
    }
    checks
}

/// Without the keys it is not known which one a destination must hold.
fn explain_unread_keys(user: &str, error: &BackendError) -> Check {
    let fix = "correct the user's name in the policy file, or add what `keytide iam-policy --for rotate` prints to the role";
    let mut check = Check::from_read_error(DESTINATIONS, error, fix);
    check.seen = format!("the keys of `{user}` could not be read: {}", error.message);
    check
}

/// What a rotation checks, for the user's only key or for none. With several the destination may hold any of them.
async fn try_each_key(
    backend: &LiveBackend,
    head: &str,
    destination: &Destination,
    keys: &[&str],
) -> BackendResult<Result<usize, String>> {
    let mut taken = try_preflight(backend, head, destination, keys.first().copied()).await;
    for key in keys.iter().skip(1) {
        if !matches!(taken, Ok(Err(_))) {
            break;
        }
        taken = try_preflight(backend, head, destination, Some(key)).await;
    }
    taken
}

fn describe_place(destination: &Destination) -> String {
    match destination.identity() {
        Some((id, _)) => describe_destination(&id),
        None => "the files that name the access key ID".to_owned(),
    }
}

/// What a rotation checks before it creates a key. `Ok(Err(..))`: the destination could not take one.
async fn try_preflight(
    backend: &LiveBackend,
    head: &str,
    destination: &Destination,
    old_key: Option<&str>,
) -> BackendResult<Result<usize, String>> {
    let one = std::slice::from_ref(destination);
    let workspace = load_workspace(backend, head, one, old_key).await?;
    let recipients = preflight_destinations(one, &workspace);
    Ok(recipients.map(|recipients| recipients.values().map(std::collections::BTreeSet::len).sum()))
}

fn decide_destination(name: &str, place: &str, taken: BackendResult<Result<usize, String>>) -> Check {
    let fix = "correct the destination or the token's and the role's permissions (`keytide check`, `keytide iam-policy --for \
               rotate`, docs/destinations.md)";
    match taken {
        Ok(Ok(0)) => Check::ok(name, format!("{place} can take a new key")),
        Ok(Ok(recipients)) => {
            let noun = if recipients == 1 { "recipient" } else { "recipients" };
            Check::ok(name, format!("{place} can take a new key, which {recipients} {noun} can decrypt"))
        }
        Ok(Err(why)) => Check::fail(
            name,
            format!("{place}: {why}"),
            "correct that; docs/destinations.md says what this kind of destination needs",
        ),
        Err(error) => {
            let mut check = Check::from_read_error(name, &error, fix);
            check.seen = format!("{place}: {}", error.message);
            check
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Skip};
    use crate::ports::ErrorKind;

    #[test]
    fn a_refusal_differs_from_no_answer() {
        let decide = |taken| decide_destination("destination-age", "x", taken);
        assert_eq!(decide(Ok(Ok(2))).status, Good);
        assert_eq!(decide(Ok(Err("no recipients".into()))).status, Fail);
        assert_eq!(decide(Err(BackendError::new(ErrorKind::Rejected, "no"))).status, Fail);
        let lost = decide(Err(BackendError::new(ErrorKind::NotApplied, "no answer")));
        assert!(lost.status == Skip && lost.is_incomplete && lost.seen == "x: no answer");
    }

    /// Throttled, denied or gone: the destinations of the user were not looked at, which is no pass.
    #[test]
    fn keys_that_cannot_be_read_are_no_pass() {
        for (kind, status, is_incomplete) in [
            (ErrorKind::NotApplied, Skip, true),
            (ErrorKind::Indeterminate, Skip, true),
            (ErrorKind::Rejected, Fail, false),
            (ErrorKind::NotFound, Fail, false),
        ] {
            let check = explain_unread_keys("ci", &BackendError::new(kind, "iam:ListAccessKeys: why"));
            assert_eq!((check.status, check.is_incomplete), (status, is_incomplete), "{check:?}");
            assert_eq!(check.seen, "the keys of `ci` could not be read: iam:ListAccessKeys: why");
            assert_eq!(check.fix.is_empty(), status == Skip, "{check:?}");
        }
    }
}
