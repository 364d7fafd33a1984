//! Changes of keys that exist. Each is announced first.

use super::Session;
use crate::ports::{Answer, Failure, Outcome, Outside};
use crate::rotation::{Event, KeyId, Status};

pub async fn activate(session: &mut Session<'_, impl Outside>, key: &KeyId) -> Answer<()> {
    session.append(Event::Activate { key: key.clone() }).await?;
    session.world.set(&session.task.user, key, Status::Active).await
}

pub async fn deactivate(session: &mut Session<'_, impl Outside>, key: &KeyId) -> Answer<()> {
    session.append(Event::Deactivate { key: key.clone() }).await?;
    gone_is_fine(session.world.set(&session.task.user, key, Status::Inactive).await)
}

pub async fn delete(session: &mut Session<'_, impl Outside>, key: &KeyId) -> Answer<()> {
    session.append(Event::Delete { key: key.clone() }).await?;
    gone_is_fine(session.world.delete(&session.task.user, key).await)?;
    note_deleted(session, key).await
}

/// The key's description goes with it; if that fails, a tag is left behind that names a key that is gone.
pub async fn note_deleted(session: &mut Session<'_, impl Outside>, key: &KeyId) -> Answer<()> {
    if session.task.policy.as_ref().is_some_and(|policy| policy.describe_keys) {
        let _ = session.world.describe(&session.task.user, key, None).await;
    }
    session.append(Event::Deleted { key: key.clone() }).await
}

pub async fn discard(session: &mut Session<'_, impl Outside>, key: &KeyId, delete: bool) -> Answer<()> {
    session.append(Event::Discard { key: key.clone() }).await?;
    if delete {
        return gone_is_fine(session.world.delete(&session.task.user, key).await);
    }
    gone_is_fine(session.world.set(&session.task.user, key, Status::Inactive).await)
}

fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(Failure { outcome: Outcome::Missing, .. }) => Ok(()),
        other => other,
    }
}
