//! Reads the policy file at the head of the default branch, for commands that write.

use std::path::{Component, Path};

use crate::commands::connection::github_read_error;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, PolicyFileError};
use crate::engine::observe::committed_files::read_with_files;
use crate::live::LiveBackend;
use crate::policy::Policy;
use crate::ports::{BackendError, RepositoryContents as _};
use crate::repository::FileContent;

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
