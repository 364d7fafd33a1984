//! Makes, moves and removes references of `keytide doctor`, below `refs/keytide/doctor/` and nowhere else.

use super::api::{GithubError, HttpMethod, RetryPolicy};
use super::references::ReferenceChange;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, FileChanges};
use crate::url_encoding::encode_path;

/// What the names of these references begin with, without the leading `refs/`. No journal's name does: the second part
/// of one is an account ID.
const OWN: &str = "keytide/doctor/";

/// The name of a reference of one run, without the leading `refs/`.
pub fn trial_reference(run: &str, purpose: &str) -> String {
    format!("{OWN}{run}/{purpose}")
}

impl LiveBackend {
    /// A commit without a parent whose tree holds one text and no workflows, as the commits of a journal are.
    ///
    /// # Errors
    /// GitHub refused, or did not answer.
    pub async fn create_trial_commit(&self, text: &str) -> BackendResult<String> {
        let files = FileChanges::from([("doctor.txt".to_owned(), Some(text.as_bytes().to_vec()))]);
        let tree = self.make_tree(None, &files).await?;
        self.make_commit(&tree, &[], text).await
    }

    /// A commit after another one, with the same files.
    ///
    /// # Errors
    /// As for [`Self::create_trial_commit`].
    pub async fn create_trial_child(&self, parent: &str, text: &str) -> BackendResult<String> {
        let tree = self.commit_info(parent).await?.tree.clone();
        self.make_commit(&tree, &[parent], text).await
    }

    /// Creates a reference of a trial, or moves it from one commit to the next, with the request that a journal uses.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when another move was first.
    pub async fn put_trial_reference(&self, name: &str, from: Option<&str>, to: &str) -> BackendResult<()> {
        ensure_own(name)?;
        self.change_reference(ReferenceChange { name, from, to }).await
    }

    /// The commit of a reference of a trial.
    ///
    /// # Errors
    /// GitHub refused, or did not answer.
    pub async fn read_trial_reference(&self, name: &str) -> BackendResult<Option<String>> {
        self.read_ref(name).await
    }

    /// Removes a reference of a trial. One that is not there counts as removed.
    ///
    /// # Errors
    /// GitHub refused, or did not answer.
    pub async fn remove_trial_reference(&self, name: &str) -> BackendResult<()> {
        ensure_own(name)?;
        let path = self.repository_endpoint(&format!("git/refs/{}", encode_path(name)));
        match self.api.send_request(HttpMethod::Delete, &path, RetryPolicy::Harmless).await {
            Ok(_) => Ok(()),
            Err(trouble) if is_already_gone(&trouble) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Removes every reference of a trial, also those that a killed run left. Returns how many there were.
    ///
    /// # Errors
    /// One of them could not be removed; the others are.
    pub async fn remove_trial_references(&self) -> BackendResult<usize> {
        let mut failure = None;
        let names = self.list_reference_names(OWN).await?;
        for name in &names {
            if let Err(error) = self.remove_trial_reference(name).await {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(names.len()), Err)
    }
}

fn is_already_gone(trouble: &GithubError) -> bool {
    // For a reference that is gone, GitHub answers 422 with these words
    trouble.outcome == ErrorKind::NotFound || trouble.message_contains("does not exist")
}

/// A mistake in a name must not move or remove a branch or a journal.
fn ensure_own(name: &str) -> BackendResult<()> {
    if name.starts_with(OWN) && !name.contains("..") {
        return Ok(());
    }
    Err(BackendError::new(ErrorKind::Rejected, format!("`{name}` is not a reference of `keytide doctor`")))
}

#[cfg(test)]
mod tests {
    use super::{ensure_own, trial_reference};

    #[test]
    fn only_references_of_a_trial_are_touched() {
        assert_eq!(ensure_own(&trial_reference("7-ab", "move")), Ok(()));
        for other in ["heads/main", "keytide/123456789012/ci", "keytide/doctor", "keytide/doctor/../x"] {
            assert!(ensure_own(other).is_err(), "{other}");
        }
    }
}
