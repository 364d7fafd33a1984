//! Looks for secrets of an environment, which GitHub's jobs read in place of the repository's.

use std::collections::BTreeSet;

use crate::live::LiveBackend;
use crate::ports::BackendResult;
use crate::url_encoding::encode_segment;

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
            if self.get_secret(&folder, name).await?.is_some() {
                found.insert(name.clone());
            }
        }
        if found.is_empty() {
            self.ensure_secrets_visible(&folder).await?;
        }
        Ok(found)
    }
}
