//! Makes the branch of a rotation before the new key: everything that GitHub refuses about a branch, it refuses here, and
//! no key exists that could not be published.
//!
//! The branch is created at the head of the default branch, and gets a commit that changes no file and has the message of
//! the later one. That tries the rules about names, messages, authors and signatures, and the token's permissions. The
//! staged files are committed onto it afterwards, so a branch that was moved meanwhile refuses them.

use super::session::JournalSession;
use crate::ports::{Backend, BackendError, BackendResult, CommitId, ErrorKind, FileChanges};
use crate::rotation::{OpenRotation, ids, pull_request};

/// The branch without a number that would prevent all of keytide's.
const PARENT_BRANCH: &str = "keytide";

/// Creates the branch, or takes over the one of an earlier attempt, and returns its tip.
///
/// # Errors
/// GitHub refuses the branch. That is [`ErrorKind::NotApplied`]: no key exists yet, so the next run can try again.
pub async fn rehearse_branch(
    session: &JournalSession<'_, impl Backend>,
    rotation: &OpenRotation,
    head: &str,
) -> BackendResult<CommitId> {
    let (world, user) = (session.backend, &session.user_rotation.user);
    let branch = ids::branch_name(user, rotation.number);
    let message = pull_request::rotation_message(user);
    let tip = match world.read_branch_tip(&branch).await? {
        None => match world.start_branch(&branch, head).await {
            Ok(()) => head.into(),
            Err(failure) => return Err(refused_branch(session, &branch, failure).await),
        },
        // A branch with commits of others is never taken over: they would come into the default branch with the new
        // key
        Some(tip) if is_unused(session, &tip, head).await? => tip,
        Some(_) => {
            let what = format!(
                "no key was created: the branch `{branch}` has commits that are not keytide's; delete it, and run again"
            );
            return Err(BackendError::new(ErrorKind::NotApplied, what));
        }
    };
    match world.commit_to_branch(&branch, &tip, &FileChanges::new(), &message).await {
        Ok(tip) => Ok(tip),
        Err(failure) => Err(refused_branch(session, &branch, failure).await),
    }
}

/// Removes the branch of an earlier rotation that ended before it had a key. A failure changes nothing but that the branch
/// stays.
pub async fn remove_leftover_branch(
    session: &JournalSession<'_, impl Backend>,
    number: u32,
) -> BackendResult<()> {
    let world = session.backend;
    let branch = ids::branch_name(&session.user_rotation.user, number);
    let Some(tip) = world.read_branch_tip(&branch).await? else { return Ok(()) };
    let head = world.read_default_head().await?;
    if !is_unused(session, &tip, &head).await? || world.find_pull_request(&branch).await?.is_some() {
        return Ok(());
    }
    match world.remove_branch(&branch).await {
        // The request may still arrive and remove the branch of the next attempt, so the run ends
        Err(failure) if failure.kind == ErrorKind::Indeterminate => Err(failure),
        _ => Ok(()),
    }
}

/// Whether a branch has only what a rehearsal leaves: a commit of the default branch, or one of ours above it. A commit
/// that changes nothing is not enough, since the commits below it could be another's.
async fn is_unused(session: &JournalSession<'_, impl Backend>, tip: &str, head: &str) -> BackendResult<bool> {
    let commit = session.backend.read_branch_commit(tip).await?;
    if !pull_request::is_rehearsal(&session.user_rotation.user, &commit.message, commit.is_empty) {
        // Not a commit of keytide's: it brings nothing only if the default branch has it already
        return session.backend.is_ancestor(tip, head).await;
    }
    let comparison = session.backend.compare_commits(tip, head).await?;
    Ok(comparison.paths.is_some_and(|paths| paths.is_empty()))
}

/// The error for a branch that GitHub refuses, with GitHub's words.
async fn refused_branch(
    session: &JournalSession<'_, impl Backend>,
    branch: &str,
    failure: BackendError,
) -> BackendError {
    // Only a refusal is explained; anything else keeps its kind, which decides whether the claim is released
    if failure.kind != ErrorKind::Rejected {
        return failure;
    }
    let has_parent = matches!(session.backend.read_branch_tip(PARENT_BRANCH).await, Ok(Some(_)));
    let help = if has_parent {
        format!("; rename the branch `{PARENT_BRANCH}`: Git has no branch below another")
    } else {
        String::new()
    };
    let what = format!(
        "no key was created: GitHub refuses the branch `{branch}` or its commit: {}{help}",
        failure.message
    );
    BackendError::new(ErrorKind::NotApplied, what)
}
