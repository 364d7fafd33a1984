//! Checks what a branch would bring before keytide proposes it: everyone who can push to the repository can push to the
//! branches of keytide as well, and a pull request that keytide opens must hold nothing but what its text says.

use super::session::JournalSession;
use crate::ports::{Backend, BackendError, BackendResult, CommitComparison, ErrorKind, FileChanges};

/// Compares a branch's tip with the default branch, from which `expected` was made.
///
/// # Errors
/// The branch changes something else: [`ErrorKind::NotApplied`], with the name of the file.
pub async fn ensure_only_changes(
    session: &JournalSession<'_, impl Backend>,
    branch: &str,
    tip: &str,
    comparison: &CommitComparison,
    expected: &FileChanges,
) -> BackendResult<()> {
    // What GitHub does not list was not compared, so it cannot be proposed
    let Some(paths) = &comparison.paths else {
        return Err(foreign_change(branch, "more files than GitHub lists"));
    };
    for path in paths {
        let is_expected = match expected.get(path) {
            Some(bytes) => session.backend.read_file(tip, path).await? == *bytes,
            None => false,
        };
        if !is_expected {
            return Err(foreign_change(branch, &format!("`{path}`")));
        }
    }
    Ok(())
}

/// The error for a branch that is not, or not only, of keytide.
fn foreign_change(branch: &str, what: &str) -> BackendError {
    let text = format!(
        "the branch `{branch}` changes {what} in another way than keytide does, so it is not proposed; delete the \
         branch, and run again"
    );
    BackendError::new(ErrorKind::NotApplied, text)
}
