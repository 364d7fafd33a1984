//! Writes the stored payloads to the stores, and restores a former version where a store keeps versions.

use super::session::JournalSession;
use crate::engine::observe::read_snapshot;
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::rotation::{DestinationId, JournalEvent, OpenRotation};

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
        let parcel = StoreDelivery { payloads, version: staged.files.get(place).map(|marker| &**marker) };
        // why: moves the journal's head right before the write. If another run has announced a retirement since, this fails;
        // if it announces one later, it sees this entry
        session.append_event(JournalEvent::Heartbeat).await?;
        match session.backend.write_secret(&destination, &parcel).await {
            Ok(marker) => {
                session.append_event(JournalEvent::Delivered { place: place.clone(), marker }).await?
            }
            Err(BackendError { kind: ErrorKind::Rejected, message: what }) => {
                session.append_event(JournalEvent::Refused { place: place.clone(), why: what }).await?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
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
