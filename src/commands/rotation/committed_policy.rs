//! Reads the policy file at the head of the default branch, which commands that write follow, and compares that of the
//! working folder with it.

use std::path::{Component, Path};

use crate::commands::connection::github_read_error;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, PolicyFileError};
use crate::engine::observe::committed_files::read_with_files;
use crate::live::LiveBackend;
use crate::policy::{MAX_BYTES, Policy};
use crate::ports::{BackendError, BackendResult, RepositoryContents as _};
use crate::repository::FileContent;
use crate::system::worktree::WorkTree;

/// Reads the policy file and the files that it extends.
pub async fn read_committed_policy(
    context: &Context<'_>,
    backend: &LiveBackend,
) -> Result<Policy, CommandFailure> {
    let head = backend.read_default_head().await.map_err(|failure| read_error(&failure))?;
    let named = context.common.policy.as_deref();
    let policy = read_with_files(backend, &head, |open| {
        policy_file::load_policy_with(named, &|path| open_inside(path, open))
    })
    .await
    .map_err(|failure| read_error(&failure))?;
    Ok(policy?.ok_or(PolicyFileError::NotCommitted)?)
}

/// The policy file of the working folder, empty if it cannot be read.
pub fn read_local_text(context: &Context<'_>, file: &str) -> Vec<u8> {
    let tree = WorkTree::find_repository(context.environment);
    let content = match &context.common.policy {
        Some(named) => tree.read_named(Path::new(named), MAX_BYTES),
        None => tree.read_content(Path::new(file)),
    };
    match content {
        FileContent::Bytes(bytes) => bytes,
        FileContent::Absent | FileContent::Unreadable(_) => Vec::new(),
    }
}

/// The policy file of the default branch; `None` if that has none.
pub async fn read_committed_text(backend: &LiveBackend, file: &str) -> BackendResult<Option<Vec<u8>>> {
    let Some(path) = repository_path(Path::new(file)) else { return Ok(None) };
    let head = backend.read_default_head().await?;
    backend.read_file(&head, &path).await
}

/// Says that `keytide rotate` would follow another policy file than the one of the working folder.
pub async fn describe_other_policy(
    context: &Context<'_>,
    backend: &LiveBackend,
    file: &str,
) -> Option<String> {
    let difference = match read_committed_text(backend, file).await {
        Ok(None) => "the default branch does not have it: commit, push and merge it".to_owned(),
        Ok(Some(committed)) if committed != read_local_text(context, file) => {
            "that of the default branch differs, which `keytide rotate` follows".to_owned()
        }
        Ok(Some(_)) => return None,
        Err(error) => format!("that of the default branch could not be read: {}", error.message),
    };
    Some(format!("this plan is of `{file}` in the working folder; {difference}"))
}

/// Opens a file of the repository; no path leads out of it.
fn open_inside(path: &Path, open: &dyn Fn(&str) -> FileContent) -> FileContent {
    match repository_path(path) {
        None => FileContent::Unreadable("it is outside of the repository".to_owned()),
        Some(path) => open(&path),
    }
}

fn read_error(failure: &BackendError) -> CommandFailure {
    github_read_error("the policy file", failure).into()
}

/// A path from the repository's root, as Git writes it; `None` for a path that leaves the repository.
pub fn repository_path(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}
