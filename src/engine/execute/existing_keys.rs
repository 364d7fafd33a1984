//! Activates, deactivates and deletes existing keys. Each call is announced in the journal before it is sent, so that a later
//! run knows of a call whose reply was lost.

use super::session::JournalSession;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::{JournalEvent, KeyId, KeyState};

pub async fn activate_key(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
    session.append_event(JournalEvent::Activate { key: key.clone() }).await?;
    session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Active).await
}

pub async fn deactivate_key(
    session: &mut JournalSession<'_, impl Backend>,
    key: &KeyId,
) -> BackendResult<()> {
    session.append_event(JournalEvent::Deactivate { key: key.clone() }).await?;
    ignore_missing_key(
        session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await,
    )
}

pub async fn delete_key(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
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
    key: &KeyId,
    delete: bool,
) -> BackendResult<()> {
    session.append_event(JournalEvent::Discard { key: key.clone() }).await?;
    if delete {
        return ignore_missing_key(session.backend.delete_access_key(&session.user_rotation.user, key).await);
    }
    ignore_missing_key(
        session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await,
    )
}

fn ignore_missing_key(answer: BackendResult<()>) -> BackendResult<()> {
    match answer {
        Err(BackendError { kind: ErrorKind::NotFound, .. }) => Ok(()),
        other => other,
    }
}
