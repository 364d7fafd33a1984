//! Activates, deactivates and deletes existing keys. Each call is announced in the journal before it is sent, so that a later
//! run knows of a call whose reply was lost.
//!
//! IAM must agree with the journal, which everyone who can push to the repository can write: a key is activated only if
//! the user's tag says that keytide deactivated it, and a key of a rotation is deleted only if the tag says that it has
//! been inactive for the soak. An orphan does not soak: nothing has ever used it.

use jiff::Timestamp;

use super::session::JournalSession;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::inactive_keys::{INACTIVE_KEYS_TAG, InactiveKeys};
use crate::rotation::{JournalEvent, KeyId, KeyState, Observation, ObservedKey, OpenRotation, OwnerTag};

pub async fn activate_key(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
    let mut inactive = read_inactive_keys(session).await?;
    let user = &session.user_rotation.user;
    if inactive.is_compromised(key) {
        // A journal can be forged, so only the command line of this run counts
        if !session.user_rotation.asked.reactivate_compromised {
            return Err(refused(format!(
                "the user's tag `{INACTIVE_KEYS_TAG}` says that {key} is compromised; to activate it all the same: \
                 `keytide rollback --user {user} --reactivate-compromised-key`"
            )));
        }
    } else if !inactive.was_deactivated(key) {
        return Err(refused(format!(
            "the user's tag `{INACTIVE_KEYS_TAG}` does not say that keytide deactivated {key}; if the key may be used: \
             `aws iam update-access-key --user-name {user} --access-key-id {key} --status Active`"
        )));
    }
    session.append_event(JournalEvent::Activate { key: key.clone() }).await?;
    session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Active).await?;
    // After the request: if it is lost, the tag still permits to repeat it.
    inactive.remove(key);
    write_inactive_keys(session, &inactive).await
}

/// Records which key goes without a successor.
pub async fn begin_retirement(
    session: &mut JournalSession<'_, impl Backend>,
    seen: &Observation,
    key: &KeyId,
) -> BackendResult<()> {
    let number = seen.journal.known().ok_or_else(unread_user)?.last_number + 1;
    let user_id = seen.user_id.known().cloned().flatten().ok_or_else(unread_user)?;
    // Without the tag the key could be neither deactivated nor brought back
    ensure_tag_writable(session).await?;
    session.append_event(JournalEvent::Retirement { number, user_id, key: key.clone() }).await
}

pub async fn deactivate_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    key: &KeyId,
) -> BackendResult<()> {
    // Before the key is inactive: otherwise a run that dies in between leaves a key that no run may activate again. Before
    // the announcement too: the request must follow it at once, since the protocol waits for announced requests.
    let mut inactive = read_inactive_keys(session).await?;
    ensure_made_as_first(session, Some(rotation), key, &inactive)?;
    let is_compromised = rotation.compromised && rotation.is_old(key);
    inactive.record_deactivation(key, is_compromised, session.backend.now());
    write_inactive_keys(session, &inactive).await?;
    session.deactivated_key = Some(key.clone());
    session.append_event(JournalEvent::Deactivate { key: key.clone() }).await?;
    ignore_missing_key(
        session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await,
    )
}

/// Records that the old key is compromised; if keytide has deactivated it already, in the user's tag too.
pub async fn note_compromised(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let mut inactive = read_inactive_keys(session).await?;
    // A key that someone else deactivated keeps its entry: keytide could not activate it anyway
    if let Some(old) = rotation.old.as_ref().filter(|old| inactive.was_deactivated(old)) {
        inactive.mark_compromised(old);
        write_inactive_keys(session, &inactive).await?;
    }
    session.append_event(JournalEvent::Compromised).await
}

/// Records that a key was seen inactive. The soak begins now.
pub async fn note_inactive(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
    // An old answer of IAM would have keytide's own deactivation replaced by one that it found, which no run may undo
    if session.deactivated_key.as_ref() != Some(key) {
        let mut inactive = read_inactive_keys(session).await?;
        inactive.record_found(key, session.backend.now());
        write_inactive_keys(session, &inactive).await?;
    }
    session.append_event(JournalEvent::InactiveSince { key: key.clone() }).await
}

pub async fn delete_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: Option<&OpenRotation>,
    key: &KeyId,
) -> BackendResult<()> {
    // By the tag, and not by the journal that led here: a forged journal must not be able to delete a key
    let inactive = read_inactive_keys(session).await?;
    ensure_made_as_first(session, rotation, key, &inactive)?;
    ensure_soaked(session, key, &inactive)?;
    session.append_event(JournalEvent::Delete { key: key.clone() }).await?;
    ignore_missing_key(session.backend.delete_access_key(&session.user_rotation.user, key).await)?;
    note_deleted(session, key).await
}

/// Records that a key is deleted, and removes its description. If that fails, only a tag of a deleted key remains.
pub async fn note_deleted(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
    if session.user_rotation.policy.as_ref().is_some_and(|policy| policy.describe_keys) {
        let _ = session.backend.set_key_description(&session.user_rotation.user, key, None).await;
    }
    session.append_event(JournalEvent::Deleted { key: key.clone() }).await
}

pub async fn discard_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: Option<&OpenRotation>,
    key: &KeyId,
    delete: bool,
) -> BackendResult<()> {
    let mut inactive = read_inactive_keys(session).await?;
    ensure_made_as_first(session, rotation, key, &inactive)?;
    if delete {
        // Without a soak: a key whose secret no one has needs no way back
        session.append_event(JournalEvent::Discard { key: key.clone() }).await?;
        return ignore_missing_key(session.backend.delete_access_key(&session.user_rotation.user, key).await);
    }
    // A destination that names the key after all has it back: keytide, and no person, deactivated it
    inactive.record_deactivation(key, false, session.backend.now());
    write_inactive_keys(session, &inactive).await?;
    session.deactivated_key = Some(key.clone());
    session.append_event(JournalEvent::Discard { key: key.clone() }).await?;
    ignore_missing_key(
        session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await,
    )
}

/// Checks that this run may write the tag, before a key is created that could not be retired without it.
pub async fn ensure_tag_writable(session: &JournalSession<'_, impl Backend>) -> BackendResult<()> {
    // Writes the value that is there: the permission is tried, and nothing changes
    let inactive = read_inactive_keys(session).await?;
    write_inactive_keys(session, &inactive).await
}

/// Records that the user has no key, right before its first one is made. Tries the permission as well.
pub async fn record_keyless_user(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let mut inactive = read_inactive_keys(session).await?;
    inactive.record_keyless(rotation.began_at, session.backend.now());
    write_inactive_keys(session, &inactive).await
}

/// Checks that a key of a first key's rotation was made when the user had none, by IAM's own record: a forged journal
/// could call any key the first one, and what its destinations hold nothing.
fn ensure_made_as_first(
    session: &JournalSession<'_, impl Backend>,
    rotation: Option<&OpenRotation>,
    key: &KeyId,
    inactive: &InactiveKeys,
) -> BackendResult<()> {
    let found = session.observed_keys.iter().find(|observed| observed.id == *key);
    let is_proved = found.is_some_and(|found| inactive.was_made_as_first(found.created));
    if is_proved || !rotation.is_some_and(OpenRotation::makes_first_key) {
        return Ok(());
    }
    Err(refused(format!(
        "the user's tag `{INACTIVE_KEYS_TAG}` does not say that the user had no key before {key}; delete the key by hand \
         if nothing needs it"
    )))
}

/// Takes the keys that are active again out of the user's tag: it would permit a forged journal to activate such a key
/// after a person has deactivated it by hand.
///
/// This needs no claim, which a journal can forge as well: a request that another run has sent for a key is younger than
/// what is forgotten.
pub async fn forget_active_keys(
    session: &JournalSession<'_, impl Backend>,
    seen: &Observation,
) -> BackendResult<()> {
    let may_write =
        seen.owner.known() == Some(&OwnerTag::ThisRepository) && seen.is_stopped.known() == Some(&false);
    let (Some(recorded), Some(keys)) = (seen.inactive_keys.known(), seen.keys.known()) else { return Ok(()) };
    if !may_write || !forget_keys(&mut recorded.clone(), keys, seen.now) {
        return Ok(());
    }
    // Read again: another run may have recorded a deactivation since the observation
    let mut inactive = read_inactive_keys(session).await?;
    if forget_keys(&mut inactive, keys, seen.now) {
        write_inactive_keys(session, &inactive).await?;
    }
    Ok(())
}

/// Returns whether any of the active keys was recorded.
fn forget_keys(inactive: &mut InactiveKeys, keys: &[ObservedKey], now: Timestamp) -> bool {
    let mut has_changed = false;
    for key in keys.iter().filter(|key| key.is_active()) {
        has_changed |= inactive.forget_active_key(&key.id, now);
    }
    has_changed
}

/// Checks that a key has been inactive for the soak, by IAM's own record.
fn ensure_soaked(
    session: &JournalSession<'_, impl Backend>,
    key: &KeyId,
    inactive: &InactiveKeys,
) -> BackendResult<()> {
    let Some(since) = inactive.inactive_since(key) else {
        return Err(refused(format!(
            "the user's tag `{INACTIVE_KEYS_TAG}` does not say since when {key} is inactive; delete the key by hand if \
             nothing needs it"
        )));
    };
    let waited = session.backend.now().duration_since(since);
    if waited < session.user_rotation.params.soak {
        return Err(refused(format!(
            "the user's tag `{INACTIVE_KEYS_TAG}` says that {key} is inactive since {since}"
        )));
    }
    Ok(())
}

async fn read_inactive_keys(session: &JournalSession<'_, impl Backend>) -> BackendResult<InactiveKeys> {
    let user = session.backend.get_user(&session.user_rotation.user).await?;
    let user =
        user.ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "the user does not exist any more"))?;
    Ok(InactiveKeys::from_tags(&user.tags))
}

async fn write_inactive_keys(
    session: &JournalSession<'_, impl Backend>,
    inactive: &InactiveKeys,
) -> BackendResult<()> {
    session.backend.set_user_tag(&session.user_rotation.user, INACTIVE_KEYS_TAG, &inactive.render()).await
}

/// The error of a rotation or retirement that cannot begin, since a fact that its first entry records is unknown.
pub fn unread_user() -> BackendError {
    BackendError::new(ErrorKind::NotApplied, "the user or its journal could not be read")
}

fn refused(why: String) -> BackendError {
    BackendError::new(ErrorKind::Rejected, why)
}

fn ignore_missing_key(answer: BackendResult<()>) -> BackendResult<()> {
    match answer {
        // A repeated request finds the key gone, which is what it wanted
        Err(BackendError { kind: ErrorKind::NotFound, .. }) => Ok(()),
        other => other,
    }
}
