//! Gives the stores what was kept for them, and takes it back where a store can.

use super::Session;
use crate::engine::observe::destination;
use crate::policy::Destination;
use crate::ports::{Answer, Failure, Outcome, Outside, Parcel};
use crate::rotation::{Event, PlaceId, Rotation};

/// Delivers to each store; one that refuses for good is noted, and the others go on.
pub async fn deliver(
    session: &mut Session<'_, impl Outside>,
    rotation: &Rotation,
    places: &[PlaceId],
) -> Answer<()> {
    let Some(staged) = &rotation.staged else { return Ok(()) };
    let commit = staged.commit.as_deref().unwrap_or_default();
    let kept = session.world.kept(&session.task.user, commit).await?;
    for place in places {
        let destination = store(rotation, place)?;
        let payloads = kept.payloads.get(&**place).map(Vec::as_slice).unwrap_or_default();
        let parcel = Parcel { payloads, version: staged.files.get(place).map(|marker| &**marker) };
        // Whoever announced something since fails here, or makes this fail: nothing is written behind his back.
        session.append(Event::Touch).await?;
        match session.world.deliver(&destination, &parcel).await {
            Ok(marker) => session.append(Event::Delivered { place: place.clone(), marker }).await?,
            Err(Failure { outcome: Outcome::Refused, what }) => {
                session.append(Event::Refused { place: place.clone(), why: what }).await?;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Gives the stores their former version back.
pub async fn back(
    session: &mut Session<'_, impl Outside>,
    rotation: &Rotation,
    places: &[PlaceId],
) -> Answer<()> {
    for place in places {
        let frozen = rotation.places.iter().find(|frozen| frozen.place == *place);
        let version = frozen.and_then(|frozen| frozen.marker.as_deref());
        session.world.back(&store(rotation, place)?, version).await?;
    }
    Ok(())
}

fn store(rotation: &Rotation, place: &PlaceId) -> Answer<Destination> {
    let frozen = rotation.places.iter().find(|frozen| frozen.place == *place);
    let unknown =
        || Failure::new(Outcome::Refused, format!("the journal's words for `{place}` are not understood"));
    frozen.and_then(destination).ok_or_else(unknown)
}
