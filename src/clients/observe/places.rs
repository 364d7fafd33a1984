//! What the destinations hold, and which of the user's keys the repository's files still name.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::Task;
use crate::clients::outside::{Answer, Failure, Outcome, Outside};
use crate::destinations::kept;
use crate::policy::Destination;
use crate::rotation::{Datum, Frozen, KeyId, Marker, PlaceFacts, PlaceId, PlaceKind, Rotation, names};

/// The third read.
pub struct Found {
    pub places: Vec<PlaceFacts>,
    pub mentions: Datum<BTreeSet<KeyId>>,
}

/// Looks at every destination, and for the keys that the files name in clear text.
pub async fn look(
    world: &impl Outside,
    task: &Task,
    open: Option<&Rotation>,
    wanted: &[Frozen],
    head: Result<&str, &Failure>,
) -> Found {
    let mut places = Vec::with_capacity(wanted.len());
    for frozen in wanted {
        let marker = match (frozen.kind, head) {
            (PlaceKind::File, Err(why)) => Datum::unknown(why.to_string()),
            (PlaceKind::File, Ok(head)) => Datum::from(credential(world, head, frozen).await),
            _ => match destination(frozen) {
                Some(destination) => Datum::from(world.marker(&destination).await),
                None => Datum::unknown("the journal's words for it are not understood"),
            },
        };
        places.push(PlaceFacts { id: frozen.place.clone(), kind: frozen.kind, marker });
    }
    let mentions = match head {
        Ok(head) => Datum::from(mentions(world, task, open, head).await),
        Err(why) => Datum::unknown(why.to_string()),
    };
    Found { places, mentions }
}

/// The digest of the credential's ciphertext in a file destination; `None` when there is no such file.
///
/// # Errors
/// The file cannot be read, or what is in it cannot be told.
pub async fn credential(world: &impl Outside, commit: &str, frozen: &Frozen) -> Answer<Option<Marker>> {
    let destination = destination(frozen);
    let Some(kept) = destination.as_ref().and_then(kept) else {
        return Err(Failure::new(Outcome::Refused, "the journal's words for it are not understood"));
    };
    let path = kept.files().first().copied().unwrap_or_default().to_owned();
    let Some(bytes) = world.file(commit, &path).await? else { return Ok(None) };
    let inspection = kept.inspect(&bytes);
    match inspection.credential {
        Some(digest) => Ok(Some(digest.into())),
        None => {
            let why = inspection.problems.first().map_or("it holds nothing", |problem| &problem.message);
            Err(Failure::new(Outcome::Refused, format!("`{path}`: {why}")))
        }
    }
}

/// A destination as a journal notes it; `None` for one that holds no credential.
pub fn frozen(destination: &Destination, marker: Option<Marker>) -> Option<Frozen> {
    let (place, kind) = place_of(destination)?;
    let spec = serde_json::to_value(destination).ok()?;
    Some(Frozen { place, kind, marker, spec })
}

/// What tells a destination apart, and where it lies.
pub fn place_of(destination: &Destination) -> Option<(PlaceId, PlaceKind)> {
    Some(match destination {
        Destination::GithubSecret(secret) => {
            (names::place("github_secret", &secret.target()), PlaceKind::Store)
        }
        Destination::SecretsManager(secret) => {
            (names::place("secrets_manager", &secret.target()), PlaceKind::Versioned)
        }
        other => {
            let kept = kept(other)?;
            (names::place(kept.kind(), kept.files().first().copied().unwrap_or_default()), PlaceKind::File)
        }
    })
}

/// A journal's words for a destination, understood again.
pub fn destination(frozen: &Frozen) -> Option<Destination> {
    serde_json::from_value(frozen.spec.clone()).ok()
}

/// The destinations of the rotation under way, else those of the policy file. References are always the policy's.
pub fn destinations(task: &Task, open: Option<&Rotation>) -> Vec<Destination> {
    let Some(rotation) = open else { return task.destinations.clone() };
    let references = task.destinations.iter().filter(|d| matches!(d, Destination::Reference(_))).cloned();
    rotation.places.iter().filter_map(destination).chain(references).collect()
}

/// The keys of this rotation that files named by a `reference` name in clear text.
async fn mentions(
    world: &impl Outside,
    task: &Task,
    open: Option<&Rotation>,
    head: &str,
) -> Answer<BTreeSet<KeyId>> {
    let mut found = BTreeSet::new();
    let (Some(rotation), Some(globs)) = (open, globs(&task.destinations)) else { return Ok(found) };
    let keys: Vec<&KeyId> = [Some(&rotation.old), rotation.new_key()].into_iter().flatten().collect();
    for path in world.paths(head).await?.into_iter().filter(|path| globs.is_match(path)) {
        let Some(bytes) = world.file(head, &path).await? else { continue };
        found.extend(
            keys.iter()
                .filter(|key| memchr::memmem::find(&bytes, key.as_bytes()).is_some())
                .copied()
                .cloned(),
        );
    }
    Ok(found)
}

/// The globs of all references; `None` when there is none.
pub fn globs(destinations: &[Destination]) -> Option<GlobSet> {
    let references = destinations.iter().filter_map(|destination| match destination {
        Destination::Reference(reference) => Some(&reference.files),
        _ => None,
    });
    let mut set = GlobSetBuilder::new();
    for glob in references.flatten() {
        set.add(GlobBuilder::new(glob).literal_separator(true).build().ok()?);
    }
    set.build().ok().filter(|set| !set.is_empty())
}
