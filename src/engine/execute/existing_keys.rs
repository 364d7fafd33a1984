//! Changes of keys that exist. Each is announced first.

use super::JournalSession;
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
    gone_is_fine(session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await)
}

pub async fn delete_key(session: &mut JournalSession<'_, impl Backend>, key: &KeyId) -> BackendResult<()> {
    session.append_event(JournalEvent::Delete { key: key.clone() }).await?;
    gone_is_fine(session.backend.delete_access_key(&session.user_rotation.user, key).await)?;
    note_deleted(session, key).await
}

/// The key's description goes with it; if that fails, a tag is left behind that names a key that is gone.
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
        return gone_is_fine(session.backend.delete_access_key(&session.user_rotation.user, key).await);
    }
    gone_is_fine(session.backend.set_key_status(&session.user_rotation.user, key, KeyState::Inactive).await)
}

fn gone_is_fine(answer: BackendResult<()>) -> BackendResult<()> {
    match answer {
        Err(BackendError { kind: ErrorKind::NotFound, .. }) => Ok(()),
        other => other,
    }
}
