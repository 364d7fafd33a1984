//! What the destinations hold, and which of the user's keys the repository's files still name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use globset::GlobSet;
use jiff::Timestamp;

use super::Task;
use crate::destinations::kept;
use crate::policy::Destination;
use crate::ports::{Answer, Change, Failure, Outcome, Outside};
use crate::rotation::{Datum, Frozen, KeyId, Marker, PlaceFacts, PlaceId, PlaceKind, Rotation, ids};

/// What names a key, by the key.
type Mentions = BTreeMap<KeyId, Arc<str>>;

/// The third read.
pub struct Found {
    pub places: Vec<PlaceFacts>,
    pub mentions: Datum<Mentions>,
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
    let path = kept.file().to_owned();
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
            (ids::place("github_secret", &secret.target()), PlaceKind::Store)
        }
        Destination::SecretsManager(secret) => {
            (ids::place("secrets_manager", &secret.target()), PlaceKind::Versioned)
        }
        other => {
            let kept = kept(other)?;
            (ids::place(kept.kind(), kept.file()), PlaceKind::File)
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

/// The keys of this rotation that files named by a `reference` name in clear text, and those that somebody's pull request
/// would bring back.
async fn mentions(
    world: &impl Outside,
    task: &Task,
    open: Option<&Rotation>,
    head: &str,
) -> Answer<Mentions> {
    let mut found = Mentions::new();
    let Some(rotation) = open else { return Ok(found) };
    let globs = globs(&task.destinations)?;
    if let Some(globs) = &globs {
        for path in world.paths(head).await?.into_iter().filter(|path| globs.is_match(path)) {
            for key in named(world, head, &path, rotation).await? {
                found.entry(key).or_insert_with(|| format!("`{path}` names it").into());
            }
        }
    }
    if may_end(world.now(), task, rotation) {
        for change in others(world, task, rotation).await? {
            for key in brought(world, rotation, globs.as_ref(), &change).await? {
                let what = format!("pull request #{} would bring it back", change.number);
                found.entry(key).or_insert_with(|| what.into());
            }
        }
    }
    Ok(found)
}

/// Whether a key of the rotation could be taken out of use now: only then the open pull requests matter.
fn may_end(now: Timestamp, task: &Task, rotation: &Rotation) -> bool {
    let grace_is_over = |at: Timestamp| rotation.compromised || now.duration_since(at) >= task.rules.grace;
    rotation.tombstone.is_some() || rotation.distributed.is_some_and(grace_is_over)
}

/// What touches the repository beside this rotation. What nobody touched since it began goes out from files of before, or
/// conflicts with them.
async fn others(world: &impl Outside, task: &Task, rotation: &Rotation) -> Answer<Vec<Change>> {
    let own = [ids::branch(&task.user, rotation.number), ids::revert_branch(&task.user, rotation.number)];
    world.others(&own, rotation.began).await
}

/// The keys that a pull request puts where they were not.
async fn brought(
    world: &impl Outside,
    rotation: &Rotation,
    globs: Option<&GlobSet>,
    change: &Change,
) -> Answer<BTreeSet<KeyId>> {
    let mut keys = BTreeSet::new();
    let touches = |path: &str| change.paths.as_ref().is_none_or(|paths| paths.contains(path));
    for frozen in rotation.places.iter().filter(|frozen| frozen.kind == PlaceKind::File) {
        let Some(destination) = destination(frozen) else { continue };
        if !kept(&destination).is_some_and(|kept| touches(kept.file())) {
            continue;
        }
        let [before, after] =
            [held(world, &change.base, frozen).await?, held(world, &change.tip, frozen).await?];
        if before != after {
            keys.extend(after.and_then(|marker| key_of(rotation, frozen, &marker)));
        }
    }
    let (Some(globs), Some(paths)) = (globs, &change.paths) else { return Ok(keys) };
    for path in paths.iter().filter(|path| globs.is_match(path)) {
        let before = named(world, &change.base, path, rotation).await?;
        keys.extend(
            named(world, &change.tip, path, rotation).await?.into_iter().filter(|key| !before.contains(key)),
        );
    }
    Ok(keys)
}

/// As [`credential`], but in a file of somebody's branch: what is broken there is no key.
async fn held(world: &impl Outside, commit: &str, frozen: &Frozen) -> Answer<Option<Marker>> {
    match credential(world, commit, frozen).await {
        Err(Failure { outcome: Outcome::Refused, .. }) => Ok(None),
        other => other,
    }
}

/// Which key of the rotation a file's marker stands for.
fn key_of(rotation: &Rotation, frozen: &Frozen, marker: &Marker) -> Option<KeyId> {
    if frozen.marker.as_ref() == Some(marker) {
        return Some(rotation.old.clone());
    }
    let staged = rotation.staged.as_ref()?;
    (staged.files.get(&frozen.place) == Some(marker)).then(|| staged.key.clone())
}

/// The keys of the rotation that a file names in clear text.
async fn named(
    world: &impl Outside,
    commit: &str,
    path: &str,
    rotation: &Rotation,
) -> Answer<BTreeSet<KeyId>> {
    let Some(bytes) = world.file(commit, path).await? else { return Ok(BTreeSet::new()) };
    let keys = [Some(&rotation.old), rotation.new_key()].into_iter().flatten();
    Ok(keys.filter(|key| memchr::memmem::find(&bytes, key.as_bytes()).is_some()).cloned().collect())
}

/// The globs of the reference; `None` when there is none.
///
/// # Errors
/// One of them is broken: what it would have found is not known.
pub fn globs(destinations: &[Destination]) -> Answer<Option<GlobSet>> {
    let broken = |error: globset::Error| {
        Failure::new(Outcome::Refused, format!("a glob of a `reference` is broken: {}", error.kind()))
    };
    let reference = destinations.iter().find_map(Destination::as_reference);
    reference.map(|reference| reference.compile_globs().map_err(broken)).transpose()
}
