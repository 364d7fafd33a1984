//! Opens the pull request of a migration, through the branches and pull requests that rotations use.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::{PlannedFiles, is_read_file};
use super::outcome::Proposal;
use crate::commands::connection::{self, github_read_error};
use crate::commands::context::Context;
use crate::commands::rotation::{RepositoryPages, connect_github, ensure_may_write};
use crate::error::CommandError;
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, ErrorKind, FileChanges, PullRequests as _, RepositoryContents as _,
    RotationBranches as _,
};
use crate::repository::FileContent;
use crate::rotation::ids::migration_branch_name;
use crate::rotation::pull_request::{PullRequestText, commit_message};
use crate::system::worktree::WorkTree;

/// What is proposed.
pub struct ProposedChange<'a> {
    pub user: &'a str,
    pub planned: &'a PlannedFiles,
    pub policy_file: &'a str,
    pub text: PullRequestText,
}

/// Opens the pull request, or finds the one that is open.
///
/// # Errors
/// The token may not do that, the files are not those of the default branch, or GitHub did not answer.
pub fn propose_change(
    context: &Context<'_>,
    tree: &WorkTree,
    change: &ProposedChange<'_>,
) -> Result<Proposal, CommandError> {
    ensure_may_write(context)?;
    connection::run_async(context, async {
        let backend = connect_github(context).await?;
        let pages = RepositoryPages::of(context, &backend)?;
        let branch = migration_branch_name(change.user);
        let found = backend.find_pull_request(&branch).await.map_err(unread_pulls)?;
        if let Some(pull) = found.filter(|pull| pull.is_open()) {
            let is_same = brings_exactly(&backend, &branch, change.planned).await.map_err(unread_pulls)?;
            return Ok(Proposal { page: pages.pull_request(pull.number), is_new: false, is_same });
        }
        let head = backend.read_default_head().await.map_err(unread_pulls)?;
        ensure_same_files(&backend, tree, change, &head).await?;
        let number = open(&backend, &branch, &head, change).await.map_err(|failure| refused(&failure))?;
        for remark in backend.take_remarks() {
            context.warn(&remark);
        }
        Ok(Proposal { page: pages.pull_request(number), is_new: true, is_same: true })
    })?
}

async fn open(
    backend: &LiveBackend,
    branch: &str,
    head: &str,
    change: &ProposedChange<'_>,
) -> BackendResult<u64> {
    if backend.is_archived() {
        return Err(BackendError::new(ErrorKind::Rejected, "the repository is archived"));
    }
    // Before the branch: one without a pull request would stay behind.
    backend.ensure_may_open().await?;
    let mut files = FileChanges::new();
    for file in &change.planned.changed {
        files.insert(file.path.clone(), Some(file.after.clone().into_bytes()));
    }
    let sizes = change.planned.changed.iter().map(|file| (file.path.clone(), file.after.len())).collect();
    if let Some(blocker) = backend.find_branch_blocker(branch, &sizes).await? {
        return Err(BackendError::new(ErrorKind::Rejected, blocker));
    }
    let message = commit_message(&change.text);
    match backend.read_branch_tip(branch).await? {
        None => drop(backend.create_branch(branch, head, &files, &message).await?),
        // An earlier run ended before the pull request, or its pull request was closed.
        Some(_) if brings_exactly(backend, branch, change.planned).await? => {}
        Some(tip) => drop(backend.update_branch(branch, &tip, head, &files, &message).await?),
    }
    backend.open_pull_request(branch, &change.text).await
}

/// Whether a branch brings the files as this migration writes them, and no other.
async fn brings_exactly(backend: &LiveBackend, branch: &str, planned: &PlannedFiles) -> BackendResult<bool> {
    let Some(tip) = backend.read_branch_tip(branch).await? else { return Ok(false) };
    for file in &planned.changed {
        if backend.read_file(&tip, &file.path).await?.as_deref() != Some(file.after.as_bytes()) {
            return Ok(false);
        }
    }
    let head = backend.read_default_head().await?;
    let wanted: BTreeSet<String> = planned.changed.iter().map(|file| file.path.clone()).collect();
    // More paths than GitHub lists are not these few
    Ok(backend.compare_commits(&tip, &head).await?.paths.is_some_and(|paths| paths == wanted))
}

/// The changes were planned from the files here. In a checkout of another commit they could take back what others changed,
/// or leave a workflow out.
async fn ensure_same_files(
    backend: &LiveBackend,
    tree: &WorkTree,
    change: &ProposedChange<'_>,
    head: &str,
) -> Result<(), CommandError> {
    let mut paths = backend.list_paths(head).await.map_err(unread_branch)?;
    paths.retain(|path| is_read_file(path) || path == change.policy_file);
    paths.extend(change.planned.changed.iter().map(|file| file.path.clone()));
    for path in paths {
        let there = backend.read_file(head, &path).await.map_err(unread_branch)?;
        let is_same = match (tree.read_content(Path::new(&path)), there) {
            (FileContent::Bytes(here), Some(there)) => here == there,
            (FileContent::Absent, None) => true,
            _ => false,
        };
        if !is_same {
            return Err(CommandError::incomplete(format!(
                "no pull request was opened: {path} is not as on `{}` of {}",
                backend.default_branch_name(),
                backend.repository_name()
            ))
            .with_help("check out its newest commit, without changes of your own"));
        }
    }
    Ok(())
}

fn unread_pulls(failure: BackendError) -> CommandError {
    github_read_error("the pull requests", &failure)
}

fn unread_branch(failure: BackendError) -> CommandError {
    github_read_error("the default branch", &failure)
}

/// A classic token without the scope `workflow` gets 404 for a tree with a workflow, an app's gets 403.
fn refused(failure: &BackendError) -> CommandError {
    let error = CommandError::incomplete(format!("no pull request was opened: {failure}"));
    match failure.kind {
        ErrorKind::Rejected | ErrorKind::NotFound => error.with_help(
            "the token needs `contents: write`, `pull-requests: write` and `workflows: write` (a classic token the scopes `repo` \
             and `workflow`), which GITHUB_TOKEN never has; without one, `--write` writes the files, for you to push",
        ),
        _ => error,
    }
}
