//! Looks for secrets of an environment, which GitHub's jobs read in place of the repository's.

use std::collections::BTreeSet;

use super::api::{GithubError, encode_segment};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};

impl LiveBackend {
    /// Which of these names are secrets of an environment of the repository.
    ///
    /// # Errors
    /// GitHub does not show the environment to the token, or did not answer.
    pub async fn list_environment_secrets(
        &self,
        environment: &str,
        names: &BTreeSet<String>,
    ) -> BackendResult<BTreeSet<String>> {
        let folder =
            self.repository_endpoint(&format!("environments/{}/secrets", encode_segment(environment)));
        let mut found = BTreeSet::new();
        for name in names {
            if self.find_json(&format!("{folder}/{}", encode_segment(name))).await? {
                found.insert(name.clone());
            }
        }
        // GitHub says "not found" also of what the token may not see. It has a public key for every environment.
        if found.is_empty() && !self.find_json(&format!("{folder}/public-key")).await? {
            let what = "GitHub shows no such environment to the token";
            return Err(BackendError::new(ErrorKind::NotApplied, what));
        }
        Ok(found)
    }

    /// Whether GitHub finds something at a path.
    async fn find_json(&self, path: &str) -> BackendResult<bool> {
        match self.api.get_json(path).await {
            Ok(_) => Ok(true),
            Err(GithubError { outcome: ErrorKind::NotFound, .. }) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}
