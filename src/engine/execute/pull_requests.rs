//! Creates, updates and closes the branch and the pull request of a rotation, from the stored ciphertext.

use std::collections::BTreeSet;

use super::branch_content;
use super::session::JournalSession;
use crate::destinations::as_sealable;
use crate::engine::observe::{
    load_workspace, preflight_destinations, reference_globs, rotation_destinations,
};
use crate::ports::{Backend, BackendError, BackendResult, CommitId, ErrorKind, FileChanges, StagedFiles};
use crate::rotation::pull_request::{self, PullRequestData};
use crate::rotation::{JournalEvent, KeyId, Observation, OpenRotation, Recipients, ids};

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
    let workspace =
        load_workspace(session.backend, &kept.base, &destinations, rotation.old.as_deref()).await?;
    let recipients = preflight_destinations(&destinations, &workspace)
        .map_err(|why| BackendError::new(ErrorKind::Rejected, why))?;
    let proposal = Proposal { key: &staged.key, recipients: &recipients, kept: &kept };
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    // Read the tip first, then append an entry. A run that discards the key meanwhile moves one of the two, and the
    // commit below fails
    let tip = session.backend.read_branch_tip(&branch).await?;
    session.append_event(JournalEvent::Heartbeat).await?;
    let found = tip.as_ref().map_or(BranchFound::Missing, BranchFound::Unchecked);
    fill_branch(session, rotation, &proposal, found).await
}

/// The branch of a rotation, as the caller has read it.
pub enum BranchFound<'a> {
    Missing,
    /// This run has just put its tip there, with the default branch's files.
    Rehearsed(&'a CommitId),
    /// Its tip may be anybody's.
    Unchecked(&'a CommitId),
}

/// What a pull request brings.
pub struct Proposal<'a> {
    pub key: &'a KeyId,
    pub recipients: &'a Recipients,
    pub kept: &'a StagedFiles,
}

/// Commits the stored files onto a branch's tip, which the caller has read, and opens the pull request. Without a branch,
/// creates it on the head of the default branch: GitHub may refuse one on an older commit.
pub async fn fill_branch(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    proposal: &Proposal<'_>,
    found: BranchFound<'_>,
) -> BackendResult<()> {
    let (world, task) = (session.backend, session.user_rotation);
    let branch = ids::branch_name(&task.user, rotation.number);
    let (tip, filled) = match found {
        BranchFound::Missing => (None, None),
        BranchFound::Rehearsed(tip) => (Some(tip), None),
        BranchFound::Unchecked(tip) => {
            (Some(tip), find_filled_files(session, rotation, proposal, tip).await?)
        }
    };
    let onto = match tip {
        Some(tip) => tip.clone(),
        // The branch was removed since: it is created again, on the head that is current now
        None => world.read_default_head().await?,
    };
    let is_filled = filled.is_some();
    let files = match filled {
        Some(files) => files,
        None => match fit_staged_files(session, rotation, proposal, &onto, None).await? {
            Ok(files) => files,
            Err(why) => return discard_new_key(session, proposal.key, why).await,
        },
    };
    let words = PullRequestData {
        new: Some(proposal.key),
        recipients: proposal.recipients,
        ..pull_request_data(session, rotation)
    };
    let text = pull_request::render_rotation(&words, files.keys());
    let message = pull_request::commit_message(&text);
    match tip {
        // An earlier run filled the branch, from the same stored files
        Some(_) if is_filled => {}
        Some(tip) => drop(world.commit_to_branch(&branch, tip, &files, &message).await?),
        None => drop(world.create_branch(&branch, &onto, &files, &message).await?),
    }
    // Without the entry below, the next run finds the pull request by its branch and opens no second one
    let pull_request = world.open_pull_request(&branch, &text).await?;
    session.append_event(JournalEvent::Proposed { pull_request }).await
}

/// Says in a comment that the old key has leaked, where the pull request was opened before that was known: its text lets
/// reviewers wait.
pub async fn announce_leak(
    session: &JournalSession<'_, impl Backend>,
    seen: &Observation,
    rotation: &OpenRotation,
) {
    let found = seen.pull_request.known().and_then(Option::as_ref);
    let Some(pull) = found.filter(|pull| pull.is_open()) else { return };
    let comment = pull_request::render_leak_comment(&pull_request_data(session, rotation));
    session.backend.comment_on_pull_request(pull.number, &comment).await;
}

/// The files that a branch brings where an earlier run has committed the stored ones to it; `None` where none has.
///
/// # Errors
/// The branch changes anything else.
async fn find_filled_files(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    proposal: &Proposal<'_>,
    tip: &str,
) -> BackendResult<Option<FileChanges>> {
    let world = session.backend;
    let head = world.read_default_head().await?;
    let comparison = world.compare_commits(tip, &head).await?;
    let fitted = fit_staged_files(session, rotation, proposal, &comparison.merge_base, Some(tip)).await?;
    // Where the staged files do not fit, no change of the branch is keytide's, and any is refused
    let (files, is_fitting) = fitted.map_or((FileChanges::new(), false), |files| (files, true));
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    branch_content::ensure_only_changes(session, &branch, tip, &comparison, &files).await?;
    for (path, bytes) in &files {
        if world.read_file(tip, path).await? != *bytes {
            return Ok(None);
        }
    }
    Ok(is_fitting.then_some(files))
}

fn list_changes(kept: &StagedFiles) -> FileChanges {
    kept.files.iter().map(|(path, bytes)| (path.clone(), Some(bytes.clone()))).collect()
}

/// The stored files for a commit: as they are, where it has the files that they were made from; else its own files with
/// the stored ciphertext, as `carry_staged_files` returns them.
async fn fit_staged_files(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    proposal: &Proposal<'_>,
    onto: &str,
    earlier: Option<&str>,
) -> BackendResult<Result<FileChanges, String>> {
    let (world, kept) = (session.backend, proposal.kept);
    for path in kept.files.keys() {
        // The staged bytes would silently undo what others have changed in the file since
        if world.read_file(onto, path).await? != world.read_file(&kept.base, path).await? {
            return carry_staged_files(session, rotation, proposal.key, kept, onto, earlier).await;
        }
    }
    Ok(Ok(list_changes(kept)))
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
    let Some(key) = rotation.new_key() else { return Ok(()) };
    let files = match carry_staged_files(session, rotation, key, &kept, &head, None).await? {
        Ok(files) => files,
        Err(why) => return discard_new_key(session, key, why).await,
    };
    let message = "Bring the new access key onto the default branch's head\n";
    match world.update_branch(&branch, &tip, &head, &files, message).await {
        Ok(_) => Ok(()),
        // A branch that GitHub does not let take in the head keeps its conflicts: another rotation begins on the head.
        Err(BackendError { kind: ErrorKind::Rejected, message, .. }) => {
            let why = format!("the branch cannot take in the default branch: {message}");
            discard_new_key(session, key, why).await
        }
        Err(failure) => Err(failure),
    }
}

/// Returns the files of a commit with the stored ciphertext, or why that is not possible. Those that an earlier run has
/// carried to the tip `earlier` are returned as they are there.
async fn carry_staged_files(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    key: &KeyId,
    kept: &StagedFiles,
    onto: &str,
    earlier: Option<&str>,
) -> BackendResult<Result<FileChanges, String>> {
    let destinations = rotation_destinations(session.user_rotation, Some(rotation))?;
    let mut today = load_workspace(session.backend, onto, &destinations, rotation.old.as_deref()).await?;
    let mut staged =
        load_workspace(session.backend, &kept.base, &destinations, rotation.old.as_deref()).await?;
    // The files of the base first: a destination may need one that the rotation did not change
    staged.files.extend(kept.files.clone());
    let before = today.files.clone();
    for destination in destinations.iter().filter_map(as_sealable) {
        if let Err(why) = destination.carry_sealed(key, &staged, &mut today) {
            return Ok(Err(why.to_string()));
        }
    }
    if let Some(tip) = earlier {
        branch_content::adopt_carried_files(session, tip, &destinations, &mut today).await?;
    }
    let changed = today.files.into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes));
    let mut files: FileChanges = changed.map(|(path, bytes)| (path, Some(bytes))).collect();
    let lock = crate::repository::lock_file_path(&session.user_rotation.user);
    // As it was staged: it belongs to the staged credential, whatever the default branch has
    files.extend(kept.files.get(&lock).map(|bytes| (lock.clone(), Some(bytes.clone()))));
    Ok(Ok(files))
}

async fn discard_new_key(
    session: &mut JournalSession<'_, impl Backend>,
    key: &KeyId,
    why: String,
) -> BackendResult<()> {
    session.append_event(JournalEvent::NewKeyAbandoned { key: key.clone(), why }).await
}

/// Takes the new key out of the branch, so that a merge changes none of keytide's files, and closes the pull request.
pub async fn disarm_branch(
    session: &mut JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
) -> BackendResult<()> {
    let world = session.backend;
    let branch = ids::branch_name(&session.user_rotation.user, rotation.number);
    let head = world.read_default_head().await?;
    match world.read_branch_tip(&branch).await? {
        // Created even if missing, so that a late request to create it with the new key fails
        None => {
            let none = FileChanges::new();
            world.create_branch(&branch, &head, &none, pull_request::DISARM_MESSAGE).await?
        }
        // Also a branch that brings nothing gets a commit, so that a late one with the new key is no fast-forward
        Some(tip) => {
            let files = files_to_put_back(session, rotation, &tip, &head).await?;
            world.commit_to_branch(&branch, &tip, &files, pull_request::DISARM_MESSAGE).await?
        }
    };
    match world.find_pull_request(&branch).await? {
        // Closed after the branch is disarmed: a closed pull request can be opened again and merged
        Some(pull) if pull.is_open() => world.close_pull_request(pull.number).await,
        _ => Ok(()),
    }
}

/// Keytide's files on a branch as they were where it left the default branch. All other files stay the branch's own: the
/// default branch may have workflow files that the token may not bring into it.
async fn files_to_put_back(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    tip: &str,
    head: &str,
) -> BackendResult<FileChanges> {
    let world = session.backend;
    let kept = read_staged_files(session, rotation).await?;
    let mut paths: BTreeSet<String> = kept.files.into_keys().collect();
    // After a rebase the branch can have references that were not there before.
    let destinations = rotation_destinations(session.user_rotation, Some(rotation))?;
    if let (Some(globs), Some(key)) = (reference_globs(&destinations)?, rotation.new_key()) {
        for path in world.list_paths(tip).await?.into_iter().filter(|path| globs.is_match(path)) {
            let bytes = world.read_file(tip, &path).await?.unwrap_or_default();
            if memchr::memmem::find(&bytes, key.as_bytes()).is_some() {
                paths.insert(path);
            }
        }
    }
    let base = world.compare_commits(tip, head).await?.merge_base;
    let mut files = FileChanges::new();
    for path in paths {
        let held = world.read_file(tip, &path).await?;
        let mut wanted = world.read_file(&base, &path).await?;
        if wanted == held {
            // A merge took the branch in, so the base has the new key as well. What the default branch has now is right.
            wanted = world.read_file(head, &path).await?;
        }
        if held != wanted {
            files.insert(path, wanted);
        }
    }
    Ok(files)
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
        old: rotation.old.as_ref(),
        old_key: session.observed_keys.iter().find(|key| rotation.is_old(&key.id)),
        new: rotation.new_key(),
        new_is_active: session
            .observed_keys
            .iter()
            .any(|key| Some(&key.id) == rotation.new_key() && key.is_active()),
        places: &rotation.destinations,
        recipients: rotation.staged.as_ref().map_or(&NONE, |staged| &staged.recipients),
        before: session.previous_recipients.as_ref(),
        rules: &session.user_rotation.params,
        compromised: rotation.compromised,
        rollback_reason: rotation.rollback_reason.as_deref(),
        delivered: rotation.delivered.keys().map(|place| &**place).collect(),
        now: session.backend.now(),
        max_age: session.user_rotation.max_age,
        run_page: session.user_rotation.run_page.as_deref(),
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
