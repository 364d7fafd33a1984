//! Checks what an open rotation would publish, at every observation, before anything is decided about it.
//!
//! Everyone who can push to the repository can write a journal. Its destinations, files and payloads are therefore
//! compared with what only a reviewed change reaches: the policy file and the files of the default branch. A rotation
//! that differs has a journal that cannot be trusted, and the user is quarantined.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::committed_files::read_with_files;
use super::destinations::{destination_from_snapshot, snapshot_destination};
use super::searched_files::reference_globs;
use super::user_rotation::UserRotation;
use crate::destinations::encryption::{SealWorkspace, SealedDestination, SealedPayload};
use crate::destinations::{StoreDestination, as_file, as_sealable, as_store};
use crate::policy::{Destination, Policy, UserSelector, read_policy_with_bases};
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, StagedFiles};
use crate::repository::{FileContent, LockFile, lock_file_path};
use crate::rotation::ids::destination_id;
use crate::rotation::{DestinationId, DestinationSnapshot, OpenRotation, StagedKey};
use crate::rules;

/// Why a rotation was not accepted.
enum CheckError {
    /// It is not one that keytide would have made.
    Untrusted(String),
    /// Something could not be read, so nothing is known.
    Unread(BackendError),
}

impl From<BackendError> for CheckError {
    fn from(error: BackendError) -> Self {
        Self::Unread(error)
    }
}

fn untrusted(why: impl Into<String>) -> CheckError {
    CheckError::Untrusted(why.into())
}

/// Checks a rotation whose new key is staged. `head` is the head of the default branch.
///
/// Returns why the journal cannot be trusted, or `None`.
///
/// # Errors
/// Something could not be read.
pub async fn find_journal_fault(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    head: &str,
) -> BackendResult<Option<String>> {
    let Some(staged) = &rotation.staged else { return Ok(None) };
    match check_rotation(world, task, rotation, staged, head).await {
        Ok(()) => Ok(None),
        Err(CheckError::Untrusted(why)) => Ok(Some(why)),
        Err(CheckError::Unread(error)) => Err(error),
    }
}

async fn check_rotation(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    staged: &StagedKey,
    head: &str,
) -> Result<(), CheckError> {
    let kept = read_kept_files(world, task, staged).await?;
    // A base that is not on the default branch was reviewed by no one, so it proves nothing about the files
    if !world.is_ancestor(&kept.base, head).await? {
        let base = &kept.base;
        return Err(untrusted(format!(
            "its files were made for {base}, which the default branch does not contain"
        )));
    }
    let mut refusal = None;
    for destinations in reviewed_destinations(world, task, rotation, &kept.base).await? {
        match check_content(world, task, rotation, staged, &kept, &destinations).await {
            // The rotation may fit the other list; only if it fits none is the first refusal the reason
            Err(CheckError::Untrusted(why)) => drop(refusal.get_or_insert(why)),
            other => return other,
        }
    }
    Err(CheckError::Untrusted(refusal.unwrap_or_else(|| {
        let number = rotation.number;
        format!("rotation {number} has other destinations than the policy file of the default branch")
    })))
}

async fn read_kept_files(
    world: &impl Backend,
    task: &UserRotation,
    staged: &StagedKey,
) -> Result<StagedFiles, CheckError> {
    let commit = staged.commit.as_deref().unwrap_or_default();
    world.read_staged_files(&task.user, commit).await.map_err(|error| match error.kind {
        // An entry without readable files is no failure of the network: another read would find the same
        ErrorKind::Rejected | ErrorKind::NotFound => untrusted(error.message),
        _ => CheckError::Unread(error),
    })
}

/// The lists of destinations that the rotation may be for: the policy file's of today, and those of the commit for which
/// the files were made. A change of the policy file does not move an open rotation.
async fn reviewed_destinations(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    base: &str,
) -> BackendResult<Vec<Vec<Destination>>> {
    let mut candidates = vec![task.destinations.clone()];
    if let Some(file) = &task.policy_file {
        let policy = read_with_files(world, base, |read| read_policy_file(file, read)).await?;
        candidates.extend(policy.and_then(|policy| user_destinations(&policy, &task.user)));
    }
    candidates.retain(|destinations| is_same_destinations(rotation, destinations));
    Ok(candidates)
}

/// The policy of a commit; `None` if there is no valid one.
fn read_policy_file(file: &str, read: &dyn Fn(&str) -> FileContent) -> Option<Policy> {
    // A former policy file that cannot be read adds no candidate; the current one is still compared
    let FileContent::Bytes(bytes) = read(file) else { return None };
    let read_base = &|path: &Path| path.to_str().map_or(FileContent::Absent, read);
    read_policy_with_bases(file, &bytes, read_base, &rules::exemptible_rules()).ok()
}

/// The destinations of a user that a policy rotates.
fn user_destinations(policy: &Policy, user: &str) -> Option<Vec<Destination>> {
    let entry = policy.users.iter().find(|entry| {
        entry.key_changes().is_some() && matches!(&entry.selector, UserSelector::Name(name) if name.0 == user)
    })?;
    Some(entry.destinations.clone())
}

/// Whether a rotation is for these destinations, in any order.
pub fn is_same_destinations(rotation: &OpenRotation, destinations: &[Destination]) -> bool {
    let reviewed: Vec<DestinationSnapshot> =
        destinations.iter().filter_map(|destination| snapshot_destination(destination, None)).collect();
    normalize_snapshots(&rotation.destinations) == normalize_snapshots(&reviewed)
}

/// Each snapshot's specification is parsed and rendered again, so that one of an earlier version compares equal.
fn normalize_snapshots(
    snapshots: &[DestinationSnapshot],
) -> BTreeSet<(String, crate::rotation::StorageKind, Option<String>)> {
    let mut normalized = BTreeSet::new();
    for snapshot in snapshots {
        let spec = destination_from_snapshot(snapshot).and_then(|found| serde_json::to_string(&found).ok());
        // Without what the destination held, which no policy file says
        normalized.insert((snapshot.destination.to_string(), snapshot.kind, spec));
    }
    normalized
}

/// Checks the staged files and payloads against the destinations for which they are.
async fn check_content(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    staged: &StagedKey,
    kept: &StagedFiles,
    destinations: &[Destination],
) -> Result<(), CheckError> {
    let before = read_base_files(world, &kept.base, destinations).await?;
    let replayed = replay_staged_files(rotation, staged, kept, destinations, &before)?;
    let lock_path = lock_file_path(&task.user);
    for (path, bytes) in &kept.files {
        // The lock file has the time of its rotation, so it cannot be replayed; it is checked by its content below
        if *path != lock_path && (replayed.files.get(path) != Some(bytes) || before.get(path) == Some(bytes))
        {
            return Err(untrusted(format!("the staged file `{path}` differs in more than the credential")));
        }
    }
    for (path, bytes) in &replayed.files {
        // The other direction: a destination left out of the staged files would keep the old key after the merge
        if before.get(path) != Some(bytes) && !kept.files.contains_key(path) {
            return Err(untrusted(format!("the file `{path}` is not staged")));
        }
    }
    check_fingerprints(staged, destinations, &replayed.files)?;
    let lock =
        kept.files.get(&lock_path).ok_or_else(|| untrusted("there is no lock file among its files"))?;
    let lock = LockFile::parse(lock).map_err(|error| untrusted(format!("`{lock_path}`: {error}")))?;
    check_payloads(staged, kept, destinations, &lock)?;
    check_lock_file(task, staged, &lock, &replayed.sealed, destinations)
}

/// The destinations' files and the files that a reference may change, as they were at a commit.
async fn read_base_files(
    world: &impl Backend,
    base: &str,
    destinations: &[Destination],
) -> BackendResult<BTreeMap<String, Vec<u8>>> {
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for file in destinations.iter().filter_map(as_file) {
        paths.extend(file.required_files().into_iter().map(str::to_owned));
    }
    if let Some(globs) = reference_globs(destinations)? {
        paths.extend(world.list_paths(base).await?.into_iter().filter(|path| globs.is_match(path)));
    }
    let mut files = BTreeMap::new();
    for path in paths {
        if let Some(bytes) = world.read_file(base, &path).await? {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

/// The files of the base commit with the staged ciphertext in them, and what each holds.
struct ReplayedFiles {
    files: BTreeMap<String, Vec<u8>>,
    sealed: Vec<SealedDestination>,
}

/// Writes the staged ciphertext into the files of the base commit. What differs afterwards was changed by someone else.
fn replay_staged_files(
    rotation: &OpenRotation,
    staged: &StagedKey,
    kept: &StagedFiles,
    destinations: &[Destination],
    before: &BTreeMap<String, Vec<u8>>,
) -> Result<ReplayedFiles, CheckError> {
    let mut source = SealWorkspace::new(rotation.began_at);
    source.files = before.clone();
    // The staged files come second, so that they replace those of the base
    source.files.extend(kept.files.clone());
    let mut target = SealWorkspace::new(rotation.began_at);
    target.files = before.clone();
    target.old_key_id = rotation.old.as_deref().map(str::to_owned);
    let mut sealed = Vec::new();
    for destination in destinations.iter().filter_map(as_sealable) {
        let replayed = destination.replay_sealed(&staged.key, &source, &mut target);
        sealed.extend(replayed.map_err(|why| untrusted(format!("the staged files: {why}")))?);
    }
    Ok(ReplayedFiles { files: target.files, sealed })
}

/// Each file holds the ciphertext that the journal names, and each staged version is the staged key's.
fn check_fingerprints(
    staged: &StagedKey,
    destinations: &[Destination],
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(), CheckError> {
    for destination in destinations {
        let Some((place, _)) = destination.identity() else { continue };
        let marker = staged.files.get(&place).map(|marker| &**marker);
        let expected = as_store(destination).and_then(|store| store.staged_fingerprint(&staged.key));
        // The version is made of the key ID, so a journal cannot name the version of another credential
        if expected.is_some() && marker != expected.as_deref() {
            return Err(untrusted(format!("the version staged for `{place}` is not the new key's")));
        }
        let Some(file) = as_file(destination) else { continue };
        let digest =
            files.get(file.credential_file()).and_then(|bytes| file.inspect_file(bytes).credential_sha256);
        // Without this the journal could name a ciphertext that no file has, and the destination would never count as
        // updated
        if digest.is_none() || digest.as_deref() != marker {
            return Err(untrusted(format!(
                "the credential staged for `{place}` is another one than in its file"
            )));
        }
    }
    Ok(())
}

/// The names of the secrets that a destination's payloads write; empty if it takes no payload.
fn payload_names(destination: &Destination) -> Vec<&str> {
    as_store(destination).map(StoreDestination::payload_names).unwrap_or_default()
}

/// Each payload is for the secrets that the policy file names, and the lock file has its digest.
fn check_payloads(
    staged: &StagedKey,
    kept: &StagedFiles,
    destinations: &[Destination],
    lock: &LockFile,
) -> Result<(), CheckError> {
    let mut expected = BTreeSet::new();
    for destination in destinations {
        let Some((place, _)) = destination.identity() else { continue };
        let wanted = payload_names(destination);
        if wanted.is_empty() {
            continue;
        }
        let payloads = kept.payloads.get(&*place).map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = payloads.iter().map(|payload| payload.name.as_str()).collect();
        // In the order of the fields: the digest in the lock file depends on it
        if names != wanted {
            return Err(untrusted(format!(
                "the payloads of `{place}` are for other secrets: {}",
                names.join(", ")
            )));
        }
        ensure_payloads_locked(lock, destination, payloads).map_err(untrusted)?;
        expected.insert(place);
    }
    // Both lists: the entry names the stores, and its tree holds the payloads
    if staged.payloads != expected || !kept.payloads.keys().all(|place| expected.contains(place.as_str())) {
        return Err(untrusted("payloads are staged for other stores than the policy file names"));
    }
    Ok(())
}

/// Checks that a lock file has the digest of a store's payloads: the merge of the lock file accepted them.
///
/// # Errors
/// It has no digest, or another one.
pub fn ensure_payloads_locked(
    lock: &LockFile,
    destination: &Destination,
    payloads: &[SealedPayload],
) -> Result<(), String> {
    // Files have no payloads, and the other stores hold the new key themselves until the merge
    if payload_names(destination).is_empty() {
        return Ok(());
    }
    let Some((place, _)) = destination.identity() else { return Ok(()) };
    let locked =
        lock.destinations.iter().find(|locked| format!("{} {}", locked.kind, locked.target) == *place);
    let digest = locked.and_then(|locked| locked.credential_sha256.as_deref());
    if digest == Some(SealedPayload::digest(payloads).as_str()) {
        Ok(())
    } else {
        Err(format!("the lock file does not list the staged payload of `{place}`"))
    }
}

/// The lock file names this user, the staged key and these destinations, and nothing else.
fn check_lock_file(
    task: &UserRotation,
    staged: &StagedKey,
    lock: &LockFile,
    sealed: &[SealedDestination],
    destinations: &[Destination],
) -> Result<(), CheckError> {
    let key = crate::hash::sha256_hex(staged.key.as_bytes());
    let mut expected = BTreeSet::new();
    for one in sealed {
        expected.insert(destination_id(one.kind, &one.target));
    }
    for destination in destinations {
        if let (Some((place, _)), false) = (destination.identity(), payload_names(destination).is_empty()) {
            expected.insert(place);
        }
    }
    let listed: BTreeSet<DestinationId> =
        lock.destinations.iter().map(|one| destination_id(&one.kind, &one.target)).collect();
    let has_key = lock.destinations.iter().all(|one| one.key_sha256.as_deref() == Some(key.as_str()));
    let has_digests = sealed.iter().filter(|one| one.credential_sha256.is_some()).all(|one| {
        let locked = lock.find_destination(one.kind, &one.target);
        locked.is_some_and(|locked| locked.credential_sha256 == one.credential_sha256)
    });
    // Equal, and not only contained: one more destination in the lock file would be accepted by the same merge
    if *lock.user == *task.user && listed == expected && has_key && has_digests {
        Ok(())
    } else {
        Err(untrusted("the staged lock file does not describe the staged credential"))
    }
}
