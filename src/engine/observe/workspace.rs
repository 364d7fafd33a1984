//! Loads what encryption reads for the destinations of one user: their files at one commit, and the keys that they need.

use std::collections::{BTreeMap, BTreeSet};

use super::searched_files::reference_globs;
use crate::destinations::as_file;
use crate::destinations::as_sealable;
use crate::destinations::encryption::SealWorkspace;
use crate::destinations::kind::{DataKeyFile, Preparation};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::repository::lock_file_path;
use crate::rotation::Recipients;

/// Gathers everything that the destinations need to be sealed for, at one commit of the default branch.
///
/// # Errors
/// Something could not be read; what is missing or wrong is no error here but a refusal of [`preflight_destinations`].
pub async fn load_workspace(
    world: &impl Backend,
    head: &str,
    destinations: &[Destination],
    old_key: Option<&str>,
) -> BackendResult<SealWorkspace> {
    let mut workspace = SealWorkspace::new(world.now());
    workspace.old_key_id = old_key.map(str::to_owned);
    let mut paths: Vec<String> = Vec::new();
    for destination in destinations {
        if let Some(kept) = as_file(destination) {
            paths.extend(kept.required_files().into_iter().map(str::to_owned));
        }
        match destination.kind().preparation() {
            Preparation::PublicKey { location } => {
                workspace.public_keys.insert(location, world.get_public_key(destination).await?);
            }
            Preparation::WritableStore => {
                let is_writable = world.check_writable(destination, old_key).await;
                workspace.refusals.extend(separate_refusal(is_writable)?.err());
            }
            // A data key is in its file, which is read below.
            Preparation::FilesOnly | Preparation::DataKey(_) => {}
        }
    }
    if let Some(globs) = reference_globs(destinations)? {
        paths.extend(world.list_paths(head).await?.into_iter().filter(|path| globs.is_match(path)));
    }
    for path in paths {
        // A file that is missing is named by the preflight, together with what to do
        if let Some(bytes) = world.read_file(head, &path).await? {
            workspace.files.insert(path, bytes);
        }
    }
    for destination in destinations {
        if let Preparation::DataKey(file) = destination.kind().preparation() {
            add_data_key(world, file, &mut workspace).await?;
        }
    }
    Ok(workspace)
}

/// Adds the data key of a file. Where no key unwraps it and nothing but the credential is encrypted in the file, adds a new
/// data key, if a service must wrap it.
async fn add_data_key(
    world: &impl Backend,
    file: &dyn DataKeyFile,
    workspace: &mut SealWorkspace,
) -> BackendResult<()> {
    let path = file.path().to_owned();
    let Some(bytes) = workspace.files.get(&path) else { return Ok(()) };
    let mut answer = match world.unwrap_data_key(&path, bytes).await {
        Ok(Some(key)) => {
            workspace.data_keys.insert(path, key);
            return Ok(());
        }
        Ok(None) => Ok(()),
        Err(failure) => Err(failure),
    };
    // Also after a failure to unwrap the old data key: where nothing else is encrypted, it is not needed
    if file.may_replace_data_key(workspace) {
        answer = match (world.wrap_new_data_key(&path, bytes).await, answer) {
            (Ok(fresh), before) => {
                let made = fresh.map(|fresh| workspace.fresh_keys.insert(path, fresh));
                made.map_or(before, |_| Ok(()))
            }
            (Err(why), Err(before)) => {
                Err(BackendError { message: format!("{}; {}", before.message, why.message), ..why })
            }
            (Err(why), Ok(())) => Err(why),
        };
    }
    workspace.refusals.extend(separate_refusal(answer)?.err());
    Ok(())
}

/// Separates a refusal, which the preflight reports, from a failure that may pass.
fn separate_refusal<T>(answer: BackendResult<T>) -> BackendResult<Result<T, String>> {
    match answer {
        Ok(found) => Ok(Ok(found)),
        Err(BackendError { kind: ErrorKind::Rejected, message: what, .. }) => Ok(Err(what)),
        Err(failure) => Err(failure),
    }
}

/// Whether every destination can be sealed for, and who will be able to decrypt.
///
/// # Errors
/// The first that cannot, and what to do.
pub fn preflight_destinations(
    destinations: &[Destination],
    workspace: &SealWorkspace,
) -> Result<Recipients, String> {
    destinations.iter().try_for_each(ensure_rotatable_path)?;
    if !workspace.refusals.is_empty() {
        return Err(workspace.refusals.join("; "));
    }
    let mut recipients = Recipients::new();
    for destination in destinations {
        let sealed =
            as_sealable(destination).map(|destination| destination.check_sealable(workspace)).transpose();
        let names = sealed.map_err(|why| why.to_string())?.unwrap_or_default();
        if let Some((place, _)) = destination.identity() {
            let of_place: &mut BTreeSet<String> = recipients.entry(place).or_default();
            of_place.extend(names.into_iter().map(|recipient| recipient.kind_and_name()));
        }
    }
    Ok(recipients)
}

/// The files that a rotation changes, by their paths, with their sizes as they are: the encrypted credential, the
/// references to the old key, and the lock file.
pub fn list_written_files(
    user: &str,
    destinations: &[Destination],
    workspace: &SealWorkspace,
) -> BTreeMap<String, usize> {
    let mut files = BTreeMap::from([(lock_file_path(user), 0)]);
    for path in destinations.iter().filter_map(as_file).map(|file| file.credential_file()) {
        files.insert(path.to_owned(), workspace.files.get(path).map_or(0, Vec::len));
    }
    if let Some(old) = &workspace.old_key_id {
        for (path, bytes) in &workspace.files {
            if memchr::memmem::find(bytes, old.as_bytes()).is_some() {
                files.insert(path.clone(), bytes.len());
            }
        }
    }
    files
}

/// Whether keytide could write to a destination at all.
fn ensure_rotatable_path(destination: &Destination) -> Result<(), String> {
    let files = as_file(destination)
        .map(|kept| kept.required_files().into_iter().map(str::to_owned).collect::<Vec<_>>());
    match files.into_iter().flatten().next() {
        // The first is the one that is written.
        Some(file) if file.starts_with(".github/workflows/") => {
            Err(format!("`{file}`: GitHub lets no workflow change workflows; keep the credential elsewhere"))
        }
        _ => Ok(()),
    }
}
