//! Checks what a branch would bring before keytide proposes it: everyone who can push to the repository can push to the
//! branches of keytide as well, and a pull request that keytide opens must hold nothing but what its text says.

use super::session::JournalSession;
use crate::destinations::encryption::SealWorkspace;
use crate::destinations::{as_file, as_sealable};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, CommitComparison, ErrorKind, FileChanges};

/// Compares a branch's tip with the commit where it left the default branch, for which `expected` was made.
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
        return Err(foreign_branch(branch, "changes more files than GitHub lists"));
    };
    for path in paths {
        let is_expected = match expected.get(path) {
            Some(bytes) => session.backend.read_file(tip, path).await? == *bytes,
            None => false,
        };
        if !is_expected {
            return Err(foreign_change(branch, path));
        }
    }
    Ok(())
}

/// Checks that a branch changes all of the files: keytide creates one of a rollback with one commit.
///
/// # Errors
/// It leaves one as it is.
pub fn ensure_changes_all(
    branch: &str,
    comparison: &CommitComparison,
    expected: &FileChanges,
) -> BackendResult<()> {
    let is_changed = |path: &String| comparison.paths.as_ref().is_some_and(|paths| paths.contains(path));
    match expected.keys().find(|path| !is_changed(path)) {
        Some(path) => Err(foreign_change(branch, path)),
        None => Ok(()),
    }
}

/// Takes from a branch the files that an earlier run has carried into it, in the place of those that this run has just carried
/// there from the same ciphertext: two encryptions never have the same bytes.
pub async fn adopt_carried_files(
    session: &JournalSession<'_, impl Backend>,
    tip: &str,
    destinations: &[Destination],
    carried: &mut SealWorkspace,
) -> BackendResult<()> {
    for (file, sealed) in destinations.iter().filter_map(|one| as_file(one).zip(as_sealable(one))) {
        let path = file.credential_file();
        if let Some(found) = session.backend.read_file(tip, path).await?
            && sealed.is_carried_alike(&found, carried)
        {
            carried.files.insert(path.to_owned(), found);
        }
    }
    Ok(())
}

/// The error for a branch that changes a file as keytide does not.
fn foreign_change(branch: &str, path: &str) -> BackendError {
    foreign_branch(branch, &format!("changes `{path}` in another way than keytide does"))
}

/// The error for a branch that is not, or not only, of keytide.
pub fn foreign_branch(branch: &str, what: &str) -> BackendError {
    let text =
        format!("the branch `{branch}` {what}, so it is not proposed; delete the branch, and run again");
    BackendError::new(ErrorKind::NotApplied, text)
}
