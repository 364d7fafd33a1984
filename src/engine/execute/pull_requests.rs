//! Creates, updates and closes the branch and the pull request of a rotation, from the stored ciphertext.

use super::session::JournalSession;
use crate::destinations::as_sealable;
use crate::engine::observe::{load_workspace, preflight_destinations, rotation_destinations};
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind, FileChanges, StagedFiles};
use crate::rotation::pull_request::{self, PullRequestData};
use crate::rotation::{JournalEvent, KeyId, OpenRotation, PullRequestState, Recipients, ids};

static NONE: Recipients = Recipients::new();

/// Creates the branch and the pull request with the new key.
pub async fn propose_staged_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let kept = read_staged_files(session, rotation).await?;
    let Some(staged) = &rotation.staged else { return Ok(()) };
    // The journal names recipients as well, but everyone who can push can write it: the pull request names those of the
    // files for which the key was encrypted.
    let destinations = rotation_destinations(session.user_rotation, Some(rotation))?;
    let workspace = load_workspace(session.backend, &kept.base, &destinations, Some(&rotation.old)).await?;
    let recipients = preflight_destinations(&destinations, &workspace)
        .map_err(|why| BackendError::new(ErrorKind::Rejected, why))?;
    propose_kept(session, rotation, (&staged.key, &recipients), &kept).await
}

/// As [`propose_staged_key`], with the stored files already read.
pub async fn propose_kept(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    (key, recipients): (&KeyId, &Recipients),
    kept: &StagedFiles,
) -> BackendResult<()> {
    let (world, task) = (session.backend, session.user_rotation);
    let branch = ids::branch_name(&task.user, rotation.number);
    let words = PullRequestData { new: Some(key), recipients, ..pull_request_data(session, rotation) };
    let text = pull_request::render_rotation(&words, kept.files.keys());
    let files: FileChanges =
        kept.files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect();
    match world.create_branch(&branch, &kept.base, &files, &pull_request::commit_message(&text)).await {
        // An earlier run created the branch, from the same stored files
        Ok(_) | Err(BackendError { kind: ErrorKind::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    let pull_request = world.open_pull_request(&branch, &text).await?;
    session.append_event(JournalEvent::Proposed { pull_request }).await
}

/// Puts the stored ciphertext on the default branch's new head, into files that have changed since. Discards the new key
/// where that would need the secret.
pub async fn rebase_proposal(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let world = session.backend;
    let kept = read_staged_files(session, rotation).await?;
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    // Read the tip first, then append an entry. A run that discards the key meanwhile moves one of the two, and the
    // update below fails
    let Some(tip) = world.read_branch_tip(&branch).await? else {
        return Err(BackendError::new(ErrorKind::NotApplied, format!("the branch `{branch}` is gone")));
    };
    session.append_event(JournalEvent::Heartbeat).await?;
    let head = world.read_default_head().await?;
    let files = match carry_staged_files(session, rotation, &kept, &head).await? {
        Ok(files) => files,
        Err(why) => return discard_new_key(session, rotation, why).await,
    };
    let message = "Bring the new access key onto the default branch's head\n";
    world.update_branch(&branch, &tip, &head, &files, message).await.map(|_| ())
}

/// Returns the files of a commit with the stored ciphertext, or why that is not possible.
async fn carry_staged_files(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    kept: &StagedFiles,
    head: &str,
) -> BackendResult<Result<FileChanges, String>> {
    let destinations = rotation_destinations(session.user_rotation, Some(rotation))?;
    let mut today = load_workspace(session.backend, head, &destinations, Some(&rotation.old)).await?;
    let mut staged = load_workspace(session.backend, &kept.base, &destinations, Some(&rotation.old)).await?;
    staged.files.extend(kept.files.clone());
    let before = today.files.clone();
    let Some(key) = rotation.new_key() else { return Ok(Err("there is no new key".to_owned())) };
    for destination in destinations.iter().filter_map(as_sealable) {
        if let Err(why) = destination.carry_sealed(key, &staged, &mut today) {
            return Ok(Err(why.to_string()));
        }
    }
    let changed = today.files.into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes));
    let mut files: FileChanges = changed.map(|(path, bytes)| (path, Some(bytes))).collect();
    let lock = crate::repository::lock_file_path(&session.user_rotation.user);
    files.extend(kept.files.get(&lock).map(|bytes| (lock.clone(), Some(bytes.clone()))));
    Ok(Ok(files))
}

async fn discard_new_key(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    why: String,
) -> BackendResult<()> {
    let Some(key) = rotation.new_key().cloned() else { return Ok(()) };
    session.append_event(JournalEvent::NewKeyAbandoned { key, why }).await
}

/// Resets the branch to the default branch, so that a merge changes nothing, and closes the pull request.
pub async fn disarm_branch(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let world = session.backend;
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    let head = world.read_default_head().await?;
    let message = "Take the new access key out of this branch again\n";
    match world.read_branch_tip(&branch).await? {
        // Created even if missing, so that a late request to create it with the new key fails
        None => world.create_branch(&branch, &head, &FileChanges::new(), message).await?,
        Some(tip) => world.update_branch(&branch, &tip, &head, &FileChanges::new(), message).await?,
    };
    match world.find_pull_request(&branch).await? {
        Some(pull) if matches!(pull.state, PullRequestState::Open { .. }) => {
            world.close_pull_request(pull.number).await
        }
        _ => Ok(()),
    }
}

/// The facts for the texts of pull requests.
pub fn pull_request_data<'s>(
    session: &'s JournalSession<'_, impl Backend>,
    rotation: &'s OpenRotation,
) -> PullRequestData<'s> {
    PullRequestData {
        user: &session.user_rotation.user,
        number: rotation.number,
        account: &session.user_rotation.account,
        old: &rotation.old,
        old_key: session.observed_keys.iter().find(|key| key.id == rotation.old),
        new: rotation.new_key(),
        places: &rotation.destinations,
        recipients: rotation.staged.as_ref().map_or(&NONE, |staged| &staged.recipients),
        before: session.previous_recipients.as_ref(),
        rules: &session.user_rotation.params,
        compromised: rotation.compromised,
        rollback_reason: rotation.rollback_reason.as_deref(),
        delivered: rotation.delivered.keys().map(|place| &**place).collect(),
        now: session.backend.now(),
        policy: session.user_rotation.policy.as_ref(),
    }
}

/// Reads the stored files and payloads of the rotation.
pub async fn read_staged_files(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<StagedFiles> {
    let commit = rotation.staged.as_ref().and_then(|staged| staged.commit.as_deref()).unwrap_or_default();
    session.backend.read_staged_files(&session.user_rotation.user, commit).await
}
