//! Runs a reader that is not async on the files of a commit.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::ports::{BackendError, BackendResult, ErrorKind, RepositoryContents};
use crate::repository::FileContent;

/// Calls `parse` with a function that opens files of a commit by their path from the repository's root.
///
/// The reader asks for one file after the other, so it is called again with the files read so far until it asks for no
/// other.
///
/// # Errors
/// A file could not be read, and another attempt may succeed.
pub async fn read_with_files<T>(
    world: &impl RepositoryContents,
    commit: &str,
    parse: impl Fn(&dyn Fn(&str) -> FileContent) -> T,
) -> BackendResult<T> {
    let mut known: BTreeMap<String, FileContent> = BTreeMap::new();
    loop {
        let wanted: RefCell<BTreeSet<String>> = RefCell::default();
        let read = |path: &str| {
            known.get(path).cloned().unwrap_or_else(|| {
                wanted.borrow_mut().insert(path.to_owned());
                FileContent::Absent
            })
        };
        let parsed = parse(&read);
        let missing = wanted.take();
        if missing.is_empty() {
            return Ok(parsed);
        }
        for path in missing {
            let content = read_committed_file(world, commit, &path).await?;
            known.insert(path, content);
        }
    }
}

async fn read_committed_file(
    world: &impl RepositoryContents,
    commit: &str,
    path: &str,
) -> BackendResult<FileContent> {
    match world.read_file(commit, path).await {
        Ok(Some(bytes)) => Ok(FileContent::Bytes(bytes)),
        Ok(None) => Ok(FileContent::Absent),
        Err(BackendError { kind: ErrorKind::Rejected, message, .. }) => Ok(FileContent::Unreadable(message)),
        Err(error) => Err(error),
    }
}
