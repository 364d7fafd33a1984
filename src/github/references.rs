//! Reads git references from GitHub, and creates them or moves them forward.

use serde_json::json;

use super::api::{GithubError, HttpMethod, RetryPolicy, encode_path, text_at};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};

impl LiveBackend {
    /// The references that begin with a prefix, each with its commit; GitHub lists them all at once.
    pub(super) async fn list_refs(&self, prefix: &str) -> BackendResult<Vec<(String, String)>> {
        // Not `git/ref`, whose 404 means "no such reference" as well as "the token may not read this".
        let path = format!("git/matching-refs/{}", encode_path(prefix));
        let answer = self.api.get_json(&self.in_repository(&path)).await?;
        let items = answer.as_array().ok_or_else(|| {
            BackendError::new(ErrorKind::NotApplied, "GitHub's reply is not a list of references")
        })?;
        items.iter().map(|item| Ok((text_at(item, "/ref")?, text_at(item, "/object/sha")?))).collect()
    }

    /// The commit of a reference (without the leading `refs/`); `None`: there is no such reference.
    pub(super) async fn read_ref(&self, name: &str) -> BackendResult<Option<String>> {
        let whole = format!("refs/{name}");
        Ok(self.list_refs(name).await?.into_iter().find(|(found, _)| *found == whole).map(|(_, sha)| sha))
    }

    /// Creates a reference (without the leading `refs/`), or moves it forward. After a lost reply the reference is read
    /// once; if it does not show the commit, the result stays unknown.
    pub(super) async fn put_reference(&self, name: &str, sha: &str, is_new: bool) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let sent = if is_new {
            let body = json!({ "ref": format!("refs/{name}"), "sha": sha });
            self.api
                .send_request(HttpMethod::Post(&body), &self.in_repository("git/refs"), RetryPolicy::Never)
                .await
        } else {
            let body = json!({ "sha": sha, "force": false });
            let path = self.in_repository(&format!("git/refs/{}", encode_path(name)));
            self.api.send_request(HttpMethod::Patch(&body), &path, RetryPolicy::Never).await
        };
        let Err(trouble) = sent else { return Ok(()) };
        if trouble.outcome == ErrorKind::Indeterminate
            && self.read_ref(name).await.is_ok_and(|at| at.as_deref() == Some(sha))
        {
            return Ok(());
        }
        Err(lost_race_error(trouble))
    }
}

/// Maps a refusal because another writer created or moved the reference first to a conflict.
fn lost_race_error(trouble: GithubError) -> BackendError {
    // GitHub answers with 422 for every invalid request, so only the message names the reason.
    let words = ["already exists", "fast forward", "fast-forward", "does not exist"];
    let is_lost = trouble.status == Some(422) && words.iter().any(|words| trouble.message_contains(words));
    let kind = if is_lost { ErrorKind::Conflict } else { trouble.outcome };
    BackendError::new(kind, trouble.what)
}
