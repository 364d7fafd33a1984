//! Writes the stored payloads to the stores, and restores a former version where a store keeps versions.

use super::session::JournalSession;
use crate::destinations::encryption::SealedPayload;
use crate::engine::observe::{ensure_payloads_locked, read_snapshot};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::repository::{LockFile, lock_file_path};
use crate::rotation::timing::MERGE_LAG;
use crate::rotation::{DestinationId, JournalEvent, OpenRotation, PullRequestState, ids};

/// Writes to each store. A permanent rejection is recorded, and the other stores are still written.
pub async fn deliver_payloads(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    places: &[DestinationId],
) -> BackendResult<()> {
    let Some(staged) = &rotation.staged else { return Ok(()) };
    let commit = staged.commit.as_deref().unwrap_or_default();
    let kept = session.backend.read_staged_files(&session.user_rotation.user, commit).await?;
    for place in places {
        let destination = find_store(rotation, place)?;
        let payloads = kept.payloads.get(&**place).map(Vec::as_slice).unwrap_or_default();
        ensure_payload_merged(session, rotation, &destination, payloads).await?;
        let parcel = StoreDelivery { payloads, version: staged.files.get(place).map(|marker| &**marker) };
        // Moves the journal's head right before the write. If another run has announced a retirement since, this fails;
        // if it announces one later, it sees this entry
        session.append_event(JournalEvent::Heartbeat).await?;
        match session.backend.write_secret(&destination, &parcel).await {
            Ok(marker) => {
                session.append_event(JournalEvent::Delivered { place: place.clone(), marker }).await?
            }
            Err(BackendError { kind: ErrorKind::Rejected, message: what, .. }) => {
                session.append_event(JournalEvent::Refused { place: place.clone(), why: what }).await?;
            }
            // The write may have been applied: the next observation shows what the store holds
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Checks that the lock file of the default branch lists these payloads: only a merged pull request can have put it there,
/// whatever the journal says.
async fn ensure_payload_merged(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    destination: &Destination,
    payloads: &[SealedPayload],
) -> BackendResult<()> {
    let path = lock_file_path(&session.user_rotation.user);
    // Read again for each store: a revert between two writes must stop the second
    let head = session.backend.read_default_head().await?;
    let checked = match session.backend.read_file(&head, &path).await? {
        None => Err(format!("there is no `{path}`")),
        Some(bytes) => match LockFile::parse(&bytes) {
            Err(error) => Err(format!("`{path}`: {error}")),
            Ok(lock) => ensure_payloads_locked(&lock, destination, payloads),
        },
    };
    let Err(why) = checked else { return Ok(()) };
    // GitHub may show the branch without a merge for a while; after that the lock file was changed by someone.
    let kind =
        if is_merge_recent(session, rotation).await? { ErrorKind::NotApplied } else { ErrorKind::Rejected };
    let what = format!(
        "nothing is written: on the default branch {why}; restore the lock file of the rotation's pull request"
    );
    Err(BackendError::new(kind, what))
}

async fn is_merge_recent(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<bool> {
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    let pull_request = session.backend.find_pull_request(&branch).await?;
    Ok(match pull_request.map(|pull_request| pull_request.state) {
        // Without a merge to measure from, the answer that harms nothing: try again in the next run
        Some(PullRequestState::Merged { at }) => session.backend.now().duration_since(at) < MERGE_LAG,
        _ => true,
    })
}

/// Restores the former version in each store.
pub async fn restore_stores(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    places: &[DestinationId],
) -> BackendResult<()> {
    for place in places {
        let frozen = rotation.destinations.iter().find(|frozen| frozen.destination == *place);
        let version = frozen.and_then(|frozen| frozen.fingerprint.as_deref());
        session.backend.restore_secret(&find_store(rotation, place)?, version).await?;
    }
    Ok(())
}

fn find_store(rotation: &OpenRotation, place: &DestinationId) -> BackendResult<Destination> {
    match rotation.destinations.iter().find(|frozen| frozen.destination == *place) {
        Some(frozen) => read_snapshot(frozen),
        None => {
            let what = format!("`{place}` is not a destination of this rotation");
            Err(BackendError::new(ErrorKind::Rejected, what))
        }
    }
}
