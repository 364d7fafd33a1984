//! What the destinations hold, and which of the user's keys the repository's files still name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::searched_files::SearchedFiles;
use super::user_rotation::UserRotation;
use crate::destinations::as_file;
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, ForeignChange};
use crate::repository::text_encoding::decode_text;
use crate::rotation::{
    DestinationSnapshot, DestinationState, Fingerprint, KeyId, KeyMention, Observed, OpenRotation,
    StorageKind, ids,
};
use crate::sentences::join_words;

/// How many of the files that name a key are shown.
const MAX_SHOWN_FILES: usize = 3;

/// What names a key, by the key.
type KeyMentions = BTreeMap<KeyId, KeyMention>;

/// The third read.
pub struct DestinationsObserved {
    pub places: Vec<DestinationState>,
    pub mentions: Observed<KeyMentions>,
}

/// Looks at every destination, and for the keys that the files name in clear text.
pub async fn observe_destinations(
    world: &impl Backend,
    task: &UserRotation,
    open: Option<&OpenRotation>,
    wanted: &[DestinationSnapshot],
    head: Result<&str, &BackendError>,
) -> DestinationsObserved {
    let mut places = Vec::with_capacity(wanted.len());
    for frozen in wanted {
        let marker = match (frozen.kind, head) {
            (StorageKind::File, Err(why)) => Observed::from(why),
            (StorageKind::File, Ok(head)) => Observed::from(read_file_fingerprint(world, head, frozen).await),
            _ => match read_snapshot(frozen) {
                Ok(destination) => {
                    let retires = open.is_some_and(|rotation| rotation.retires);
                    Observed::from(read_store_fingerprint(world, &destination, retires).await)
                }
                Err(why) => Observed::from(&why),
            },
        };
        places.push(DestinationState {
            id: frozen.destination.clone(),
            kind: frozen.kind,
            fingerprint: marker,
        });
    }
    let mentions = match head {
        Ok(head) => Observed::from(find_key_mentions(world, task, open, head).await),
        Err(why) => Observed::from(why),
    };
    DestinationsObserved { places, mentions }
}

/// What a store holds. Nothing follows a key that retires, so that an absent credential has to be absent for certain.
async fn read_store_fingerprint(
    world: &impl Backend,
    destination: &Destination,
    retires: bool,
) -> BackendResult<Option<Fingerprint>> {
    let found = world.read_fingerprint(destination).await?;
    if found.is_none() && retires {
        world.confirm_absence(destination).await?;
    }
    Ok(found)
}

/// The digest of the credential's ciphertext in a file destination; `None` when there is no such file.
///
/// # Errors
/// The file cannot be read, or its content cannot be recognised.
pub async fn read_file_fingerprint(
    world: &impl Backend,
    commit: &str,
    frozen: &DestinationSnapshot,
) -> BackendResult<Option<Fingerprint>> {
    let destination = read_snapshot(frozen)?;
    let Some(kept) = as_file(&destination) else {
        return Err(BackendError::new(ErrorKind::Rejected, "this destination is not in a file"));
    };
    let path = kept.credential_file().to_owned();
    let Some(bytes) = world.read_file(commit, &path).await? else { return Ok(None) };
    let inspection = kept.inspect_file(&bytes);
    match (inspection.credential_sha256, inspection.problems.first()) {
        (Some(digest), None) => Ok(Some(digest.into())),
        (_, problem) => {
            let why = match problem {
                // A rule of `check` has the line and what to do about each problem
                Some(problem) => format!("{}; what to do: `keytide check`", problem.message),
                None => "it holds nothing".to_owned(),
            };
            Err(BackendError::new(ErrorKind::Rejected, format!("`{path}`: {why}")))
        }
    }
}

/// The destinations of the policy file, as a journal records them.
pub fn destination_snapshots(task: &UserRotation) -> Vec<DestinationSnapshot> {
    task.destinations.iter().filter_map(|destination| snapshot_destination(destination, None)).collect()
}

/// A destination as a journal notes it; `None` for one that holds no credential.
pub fn snapshot_destination(
    destination: &Destination,
    marker: Option<Fingerprint>,
) -> Option<DestinationSnapshot> {
    let (place, kind) = destination.identity()?;
    // A description that cannot be written is not a reason to forget the destination: what it holds is then unknown.
    let spec = serde_json::to_value(destination).unwrap_or_default();
    Some(DestinationSnapshot { destination: place, kind, fingerprint: marker, spec })
}

/// A journal's words for a destination, understood again.
pub fn destination_from_snapshot(frozen: &DestinationSnapshot) -> Option<Destination> {
    serde_json::from_value(frozen.spec.clone()).ok()
}

/// The destination of a journal's description.
///
/// # Errors
/// A newer version wrote it, and this one does not know its kind or its fields.
pub fn read_snapshot(frozen: &DestinationSnapshot) -> BackendResult<Destination> {
    destination_from_snapshot(frozen).ok_or_else(|| {
        let what =
            format!("the journal's description of `{}` cannot be read by this version", frozen.destination);
        BackendError::new(ErrorKind::Rejected, what)
    })
}

/// The destinations of the rotation under way, else those of the policy file. References are always the policy's.
///
/// # Errors
/// One of them cannot be read from the journal. Without it the others would get a key that this one never gets.
pub fn rotation_destinations(
    task: &UserRotation,
    open: Option<&OpenRotation>,
) -> BackendResult<Vec<Destination>> {
    let Some(rotation) = open else { return Ok(task.destinations.clone()) };
    let mut destinations = Vec::new();
    for frozen in &rotation.destinations {
        destinations.push(read_snapshot(frozen)?);
    }
    destinations.extend(task.destinations.iter().filter(|one| one.as_reference().is_some()).cloned());
    Ok(destinations)
}

/// The keys of this rotation that files name in clear text, and those that someone's pull request would bring back. A rotation
/// looks at the files of its `reference`, a retirement at every file.
async fn find_key_mentions(
    world: &impl Backend,
    task: &UserRotation,
    open: Option<&OpenRotation>,
    head: &str,
) -> BackendResult<KeyMentions> {
    let mut found = KeyMentions::new();
    // Without a rotation no key goes, so nothing depends on who names one
    let Some(rotation) = open else { return Ok(found) };
    let searched = SearchedFiles::of_rotation(&task.destinations, rotation.retires)?;
    if rotation.retires {
        // No new key follows one that retires, so an application may read it from any file that names it
        searched.ensure_no_link(world, head).await?;
        let keys: Vec<&str> = rotation_keys(rotation).map(|key| &**key).collect();
        for (key, paths) in world.find_named_keys(head, &keys).await? {
            found.insert(key.into(), describe_naming_files(&paths).into());
        }
    } else if !searched.is_empty() {
        for path in world.list_paths(head).await?.into_iter().filter(|path| searched.contains(path)) {
            for key in keys_named_in_file(world, head, &path, rotation).await? {
                found.entry(key).or_insert_with(|| format!("`{path}` names it").into());
            }
        }
    }
    if may_retire_key(world.now(), task, rotation) {
        for change in list_foreign_changes(world, task, rotation, head).await? {
            for key in keys_restored_by_writer(world, task, rotation, &searched, &change).await? {
                let what = format!("pull request #{} would bring it back", change.number);
                found.entry(key).or_insert_with(|| KeyMention::proposed(&what));
            }
        }
    }
    Ok(found)
}

/// Whether a key of the rotation could be taken out of use now: only then the open pull requests matter.
fn may_retire_key(now: Timestamp, task: &UserRotation, rotation: &OpenRotation) -> bool {
    if rotation.retires || rotation.abandoned_at.is_some() {
        return true;
    }
    match rotation.distributed {
        Some(at) => rotation.compromised || now.duration_since(at) >= task.params.grace,
        None => false,
    }
}

/// What touches the repository beside this rotation. What no one touched since it began goes out from files of before, or
/// conflicts with them.
async fn list_foreign_changes(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    head: &str,
) -> BackendResult<Vec<ForeignChange>> {
    let own =
        [ids::branch_name(&task.user, rotation.number), ids::revert_branch_name(&task.user, rotation.number)];
    // A retirement changes no file, so an older pull request still merges
    let since = if rotation.retires { Timestamp::UNIX_EPOCH } else { rotation.began_at };
    world.list_foreign_changes(&own, since, head).await
}

/// The keys that a pull request puts where they were not, if its author may write to the repository: what another person
/// proposes must not keep a key alive, also where it cannot be read.
async fn keys_restored_by_writer(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    searched: &SearchedFiles<'_>,
    change: &ForeignChange,
) -> BackendResult<BTreeSet<KeyId>> {
    let restored = keys_restored_by_change(world, task, rotation, searched, change).await;
    let is_harmless = restored.as_ref().is_ok_and(BTreeSet::is_empty);
    // Asked only about who would bring a key back, or may: a request each.
    if let Some(author) = change.unclear_author.as_ref().filter(|_| !is_harmless)
        && !world.may_write(author).await?
    {
        return Ok(BTreeSet::new());
    }
    restored.map_err(|why| {
        BackendError::new(why.kind, format!("pull request #{}: {}", change.number, why.message))
    })
}

/// The keys that a pull request puts where they were not.
async fn keys_restored_by_change(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    searched: &SearchedFiles<'_>,
    change: &ForeignChange,
) -> BackendResult<BTreeSet<KeyId>> {
    let mut keys = BTreeSet::new();
    let places = if rotation.retires { destination_snapshots(task) } else { rotation.destinations.clone() };
    for frozen in places.iter().filter(|frozen| frozen.kind == StorageKind::File) {
        // A file whose kind is unknown may hold a key as well: then nothing is known of this pull request.
        let destination = read_snapshot(frozen)?;
        if !as_file(&destination).is_some_and(|kept| may_touch(change, kept.credential_file())) {
            continue;
        }
        let [before, after] = [
            fingerprint_on_branch(world, &change.base, frozen).await?,
            fingerprint_on_branch(world, &change.tip, frozen).await?,
        ];
        // A branch that leaves the credential as it was brings nothing back by its merge
        if before != after {
            keys.extend(after.and_then(|marker| key_for_fingerprint(rotation, frozen, &marker)));
        }
    }
    let paths: Vec<String> = match &change.paths {
        Some(paths) => paths.iter().cloned().collect(),
        None if !searched.is_empty() => world.list_paths(&change.tip).await?,
        None => Vec::new(),
    };
    for path in paths.iter().filter(|path| searched.contains(path)) {
        let before = keys_named_in_file(world, &change.base, path, rotation).await?;
        keys.extend(
            keys_named_in_file(world, &change.tip, path, rotation)
                .await?
                .into_iter()
                .filter(|key| !before.contains(key)),
        );
    }
    Ok(keys)
}

/// Whether a pull request changes a file; one of which GitHub lists no files may change any.
fn may_touch(change: &ForeignChange, path: &str) -> bool {
    change.paths.as_ref().is_none_or(|paths| paths.contains(path))
}

/// As [`read_file_fingerprint`], but in a file of someone's branch: what is broken there is no key.
async fn fingerprint_on_branch(
    world: &impl Backend,
    commit: &str,
    frozen: &DestinationSnapshot,
) -> BackendResult<Option<Fingerprint>> {
    match read_file_fingerprint(world, commit, frozen).await {
        Err(BackendError { kind: ErrorKind::Rejected, .. }) => Ok(None),
        other => other,
    }
}

/// Which key of the rotation a file's marker stands for.
fn key_for_fingerprint(
    rotation: &OpenRotation,
    frozen: &DestinationSnapshot,
    marker: &Fingerprint,
) -> Option<KeyId> {
    // A retirement knows no ciphertext of its key, so any credential may be of it
    if rotation.retires || frozen.fingerprint.as_ref() == Some(marker) {
        return rotation.old.clone();
    }
    let staged = rotation.staged.as_ref()?;
    (staged.files.get(&frozen.destination) == Some(marker)).then(|| staged.key.clone())
}

/// The keys of the rotation that a file names in clear text.
async fn keys_named_in_file(
    world: &impl Backend,
    commit: &str,
    path: &str,
    rotation: &OpenRotation,
) -> BackendResult<BTreeSet<KeyId>> {
    let Some(bytes) = world.read_file(commit, path).await? else { return Ok(BTreeSet::new()) };
    let text = decode_text(&bytes);
    let named = rotation_keys(rotation).filter(|key| memchr::memmem::find(&text, key.as_bytes()).is_some());
    Ok(named.cloned().collect())
}

fn describe_naming_files(paths: &BTreeSet<String>) -> String {
    let mut shown: Vec<String> = paths.iter().take(MAX_SHOWN_FILES).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(MAX_SHOWN_FILES) {
        0 => {}
        1 => shown.push("1 more file".to_owned()),
        more => shown.push(format!("{more} more files")),
    }
    let verb = if shown.len() == 1 { "names" } else { "name" };
    format!("{} {verb} it", join_words(&shown))
}

fn rotation_keys(rotation: &OpenRotation) -> impl Iterator<Item = &KeyId> {
    [rotation.old.as_ref(), rotation.new_key()].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal of a newer version names a kind that this version does not know.
    #[test]
    fn a_destination_of_an_unknown_kind_is_an_error_and_not_left_out() {
        let known = serde_json::json!({"age": {"file": "a.age", "format": "dotenv"}});
        let mut snapshot = DestinationSnapshot {
            destination: "vault prod".into(),
            kind: StorageKind::Versioned,
            fingerprint: None,
            spec: known,
        };
        assert!(read_snapshot(&snapshot).is_ok());
        snapshot.spec = serde_json::json!({"vault": {"address": "https://vault.example.com"}});
        let why = read_snapshot(&snapshot).unwrap_err();
        assert_eq!(why.kind, ErrorKind::Rejected);
        assert!(why.message.contains("`vault prod` cannot be read by this version"), "{}", why.message);
    }
}
