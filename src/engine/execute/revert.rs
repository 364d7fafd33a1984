//! Opens the pull request that restores the old credential in the files. A file unchanged since the merge gets its former
//! bytes; in a file that others have changed only the ciphertext and the access key ID are replaced.

use super::branch_content;
use super::pull_requests;
use super::session::JournalSession;
use crate::destinations::as_file as in_file;
use crate::destinations::as_sealable;
use crate::destinations::encryption::SealWorkspace;
use crate::engine::observe::{load_workspace, rotation_destinations};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, FileChanges, StagedFiles};
use crate::rotation::pull_request::{self, PullRequestText};
use crate::rotation::{OpenRotation, StagedKey, ids};

/// Opens the pull request with all files or none: half of a credential would not work.
pub async fn propose_revert(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let (world, task) = (session.backend, session.user_rotation);
    let Some(staged) = &rotation.staged else { return Ok(()) };
    let kept = pull_requests::read_staged_files(session, rotation).await?;
    let taken = TakenBack { rotation, staged, kept: &kept };
    let head = world.read_default_head().await?;
    let files = list_restored_files(session, &taken, &head, None).await?;
    if restores_nothing(&task.user, &files) {
        return Err(BackendError::new(ErrorKind::NotApplied, "the files have been restored already"));
    }
    let branch = ids::revert_branch_name(&task.user, rotation.number);
    let text = render_revert_text(session, rotation, &files);
    let text = match world.create_branch(&branch, &head, &files, &pull_request::commit_message(&text)).await {
        Ok(_) => text,
        // An earlier run has created it, or someone has pushed one of this name
        Err(conflict) if conflict.kind == ErrorKind::Conflict => {
            let tip = world.read_branch_tip(&branch).await?.ok_or(conflict)?;
            let comparison = world.compare_commits(&tip, &head).await?;
            // The default branch may have moved since: the branch has the files of the commit where it left it
            let files = list_restored_files(session, &taken, &comparison.merge_base, Some(&tip)).await?;
            if restores_nothing(&task.user, &files) {
                return Err(branch_content::foreign_branch(&branch, "restores nothing"));
            }
            branch_content::ensure_only_changes(session, &branch, &tip, &comparison, &files).await?;
            branch_content::ensure_changes_all(&branch, &comparison, &files)?;
            render_revert_text(session, rotation, &files)
        }
        Err(failure) => return Err(failure),
    };
    world.open_pull_request(&branch, &text).await.map(|_| ())
}

/// What is taken back.
struct TakenBack<'a> {
    rotation: &'a OpenRotation,
    staged: &'a StagedKey,
    kept: &'a StagedFiles,
}

/// The lock file alone would revert nothing that an application reads.
fn restores_nothing(user: &str, files: &FileChanges) -> bool {
    let lock = crate::repository::lock_file_path(user);
    files.keys().all(|path| *path == lock)
}

fn render_revert_text(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    files: &FileChanges,
) -> PullRequestText {
    let reverted =
        files.iter().map(|(path, bytes)| pull_request::RevertedFile { path, is_removed: bytes.is_none() });
    pull_request::render_revert(&pull_requests::pull_request_data(session, rotation), reverted)
}

/// The files of a commit with the old credential. Those that an earlier run has carried to the tip `earlier` are returned
/// as they are there.
async fn list_restored_files(
    session: &JournalSession<'_, impl Backend>,
    taken: &TakenBack<'_>,
    commit: &str,
    earlier: Option<&str>,
) -> BackendResult<FileChanges> {
    let changed = changed_destinations(session, taken, commit).await?;
    let mut files = carry_old_credential(session, taken, commit, &changed, earlier).await?;
    // Second: a file that no one has changed goes back as a whole, not by its values
    files.extend(unchanged_files(session, taken.kept, commit).await?);
    Ok(files)
}

/// The error for a file into which the old credential cannot be restored.
fn restore_by_hand(file: &str, why: &str) -> BackendError {
    let what =
        format!("{file}: {why}; restore the old credential by hand, in every file of the pull request");
    BackendError::new(ErrorKind::Rejected, what)
}

/// The files of a commit that are unchanged since the merge, as they were before it.
async fn unchanged_files(
    session: &JournalSession<'_, impl Backend>,
    kept: &StagedFiles,
    commit: &str,
) -> BackendResult<FileChanges> {
    let world = session.backend;
    let mut files = FileChanges::new();
    for (path, bytes) in &kept.files {
        if world.read_file(commit, path).await?.as_ref() == Some(bytes) {
            files.insert(path.clone(), world.read_file(&kept.base, path).await?);
        }
    }
    Ok(files)
}

/// The destinations whose file others have changed and that still holds the new credential, and the reference.
async fn changed_destinations(
    session: &JournalSession<'_, impl Backend>,
    taken: &TakenBack<'_>,
    commit: &str,
) -> BackendResult<Vec<Destination>> {
    let mut changed = Vec::new();
    for destination in rotation_destinations(session.user_rotation, Some(taken.rotation))? {
        if destination.as_reference().is_some()
            || holds_new_credential(session, &destination, taken, commit).await?
        {
            changed.push(destination);
        }
    }
    Ok(changed)
}

/// Whether a file has changed since the merge and still holds the new credential.
async fn holds_new_credential(
    session: &JournalSession<'_, impl Backend>,
    destination: &Destination,
    taken: &TakenBack<'_>,
    commit: &str,
) -> BackendResult<bool> {
    let Some((in_file, (place, _))) = in_file(destination).zip(destination.identity()) else {
        return Ok(false);
    };
    let Some(bytes) = session.backend.read_file(commit, in_file.credential_file()).await? else {
        return Ok(false);
    };
    // Unchanged since the merge: the whole file goes back, by `unchanged_files`
    if taken.kept.files.get(in_file.credential_file()) == Some(&bytes) {
        return Ok(false);
    }
    let inspection = in_file.inspect_file(&bytes);
    match (inspection.credential_sha256, inspection.problems.first()) {
        (Some(held), _) => Ok(taken.staged.files.get(&place).is_some_and(|marker| **marker == *held)),
        (None, Some(problem)) => Err(restore_by_hand(in_file.credential_file(), &problem.message)),
        (None, None) => Ok(false),
    }
}

/// The old ciphertext, and the old access key ID, in the files of a commit.
async fn carry_old_credential(
    session: &JournalSession<'_, impl Backend>,
    taken: &TakenBack<'_>,
    commit: &str,
    changed: &[Destination],
    earlier: Option<&str>,
) -> BackendResult<FileChanges> {
    let TakenBack { rotation, kept, .. } = *taken;
    let new = rotation.new_key().filter(|_| !changed.is_empty());
    let Some(new) = new else { return Ok(FileChanges::new()) };
    // What was there before a first key is of no key
    let old = rotation.old.as_deref().unwrap_or_default();
    // The other way round: the references are searched for the new ID and get the old one
    let mut today = load_workspace(session.backend, commit, changed, Some(new)).await?;
    let mut before = SealWorkspace::new(today.now);
    for path in changed.iter().filter_map(in_file).flat_map(|kept| kept.required_files()) {
        let bytes = session.backend.read_file(&kept.base, path).await?;
        before.files.extend(bytes.map(|bytes| (path.to_owned(), bytes)));
    }
    let as_read = today.files.clone();
    for destination in changed {
        let Some(sealed) = as_sealable(destination) else { continue };
        // A reference whose files do not name the new ID has nothing to take back.
        let is_reference = destination.as_reference().is_some();
        if is_reference && sealed.check_sealable(&today).is_err_and(|why| why.file.is_none()) {
            continue;
        }
        let carried = sealed.restore_sealed(old, &before, &mut today);
        carried.map_err(|why| restore_by_hand(why.file.as_deref().unwrap_or("a file"), &why.message))?;
    }
    if let Some(tip) = earlier {
        branch_content::adopt_carried_files(session, tip, changed, &mut today).await?;
    }
    let changed = today.files.into_iter().filter(|(path, bytes)| as_read.get(path) != Some(bytes));
    Ok(changed.map(|(path, bytes)| (path, Some(bytes))).collect())
}
