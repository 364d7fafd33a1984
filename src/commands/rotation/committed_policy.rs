//! Reads the policy file at the head of the default branch, for commands that write.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use crate::commands::connection::github_read_error;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::policy_file::{self, PolicyFileError};
use crate::live::LiveBackend;
use crate::policy::Policy;
use crate::ports::{BackendError, ErrorKind, RepositoryContents as _};
use crate::repository::FileContent;

/// Reads the policy file and the files that it extends.
///
/// The reader of policy files is not async and asks for one file after the other. So it is called again with the files
/// read so far until it asks for no other.
pub async fn read_committed_policy(
    context: &Context<'_>,
    backend: &LiveBackend,
) -> Result<Policy, CommandFailure> {
    let head = backend.read_default_head().await.map_err(|failure| read_error(&failure))?;
    let mut known = BTreeMap::new();
    loop {
        let wanted: RefCell<BTreeSet<String>> = RefCell::default();
        let read = |path: &Path| match repository_path(path) {
            None => FileContent::Unreadable("it is outside of the repository".to_owned()),
            Some(path) => known.get(&path).cloned().unwrap_or_else(|| {
                wanted.borrow_mut().insert(path);
                FileContent::Absent
            }),
        };
        let policy = policy_file::load_policy_with(context.common.policy.as_deref(), &read);
        let missing = wanted.take();
        if missing.is_empty() {
            return Ok(policy?.ok_or(PolicyFileError::NotFound)?);
        }
        for path in missing {
            let content = read_committed_file(backend, &head, &path).await?;
            known.insert(path, content);
        }
    }
}

async fn read_committed_file(
    backend: &LiveBackend,
    head: &str,
    path: &str,
) -> Result<FileContent, CommandFailure> {
    match backend.read_file(head, path).await {
        Ok(Some(bytes)) => Ok(FileContent::Bytes(bytes)),
        Ok(None) => Ok(FileContent::Absent),
        Err(BackendError { kind: ErrorKind::Rejected, message }) => Ok(FileContent::Unreadable(message)),
        Err(failure) => Err(read_error(&failure)),
    }
}

fn read_error(failure: &BackendError) -> CommandFailure {
    github_read_error("the policy file", failure).into()
}

/// A path from the repository's root, as Git writes it; `None` for a path that leaves the repository.
fn repository_path(path: &Path) -> Option<String> {
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
