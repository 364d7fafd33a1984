//! Reads git references from GitHub, and creates them, moves them forward or removes them.

use std::time::Duration;

use serde_json::json;

use super::api::{GithubError, HttpMethod, RetryPolicy, list_at, text_at};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::url_encoding::encode_path;

/// How often a reference is read after GitHub refused to change it: a reply can be older than another writer's change.
const LOOKS: usize = 2;
const BETWEEN: Duration = Duration::from_secs(1);

/// A change of one reference, by its name without the leading `refs/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReferenceChange<'a> {
    pub name: &'a str,
    /// The commit at which it must be; `None`: there is no such reference yet.
    pub from: Option<&'a str>,
    pub to: &'a str,
}

impl LiveBackend {
    /// The references that begin with a prefix, each with its commit; GitHub lists them all at once.
    pub(super) async fn list_refs(&self, prefix: &str) -> BackendResult<Vec<(String, String)>> {
        // Not `git/ref`, whose 404 means "no such reference" as well as "the token may not read this".
        let path = format!("git/matching-refs/{}", encode_path(prefix));
        let answer = self.api.get_json(&self.repository_endpoint(&path)).await?;
        let items = list_at(&answer, "")?.iter();
        items.map(|item| Ok((text_at(item, "/ref")?, text_at(item, "/object/sha")?))).collect()
    }

    /// The commit of a reference (without the leading `refs/`); `None`: there is no such reference.
    pub(super) async fn read_ref(&self, name: &str) -> BackendResult<Option<String>> {
        let whole = format!("refs/{name}");
        Ok(self.list_refs(name).await?.into_iter().find(|(found, _)| *found == whole).map(|(_, sha)| sha))
    }

    /// Creates a reference, or moves it forward. After a lost reply the reference is read once; if it does not show the
    /// commit, the result stays unknown.
    pub(super) async fn change_reference(&self, change: ReferenceChange<'_>) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let sent = if change.from.is_none() {
            let body = json!({ "ref": format!("refs/{}", change.name), "sha": change.to });
            self.api
                .send_request(
                    HttpMethod::Post(&body),
                    &self.repository_endpoint("git/refs"),
                    RetryPolicy::Never,
                )
                .await
        } else {
            let body = json!({ "sha": change.to, "force": false });
            let path = self.repository_endpoint(&format!("git/refs/{}", encode_path(change.name)));
            self.api.send_request(HttpMethod::Patch(&body), &path, RetryPolicy::Never).await
        };
        let Err(trouble) = sent else { return Ok(()) };
        if trouble.outcome == ErrorKind::Indeterminate
            && self.read_ref(change.name).await.is_ok_and(|at| at.as_deref() == Some(change.to))
        {
            return Ok(());
        }
        // GitHub has several words for a lost race, and 422 for every invalid request: the reference itself shows which.
        if matches!(trouble.status, Some(409 | 422)) {
            return self.explain_refusal(change, trouble).await;
        }
        let advice = refusal_advice(change.name, &trouble);
        Err(BackendError::new(trouble.outcome, trouble.what + advice))
    }

    /// Reads a reference after GitHub refused to change it. If another writer has changed it, the race is lost; if it is
    /// where it was, GitHub does not permit the change.
    async fn explain_refusal(&self, change: ReferenceChange<'_>, trouble: GithubError) -> BackendResult<()> {
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            match self.read_ref(change.name).await {
                Err(unread) => {
                    let what = format!("{}; the reference could not be read: {unread}", trouble.what);
                    return Err(BackendError::new(ErrorKind::NotApplied, what));
                }
                Ok(at) if at.as_deref() == Some(change.to) => return Ok(()),
                Ok(at) if at.as_deref() != change.from => {
                    return Err(BackendError::new(ErrorKind::Conflict, trouble.what));
                }
                Ok(_) => {}
            }
        }
        Err(BackendError::new(ErrorKind::Rejected, trouble.what))
    }

    /// Removes a reference. May be repeated.
    pub(super) async fn remove_reference(&self, name: &str) -> BackendResult<()> {
        let path = self.repository_endpoint(&format!("git/refs/{}", encode_path(name)));
        self.api.send_request(HttpMethod::Delete, &path, RetryPolicy::Harmless).await?;
        Ok(())
    }
}

/// What the token lacks. A rotation writes its journal before its branch, so a token that may not write the branch has
/// `contents: write` and lacks the permission for workflow files.
fn refusal_advice(name: &str, trouble: &GithubError) -> &'static str {
    if !trouble.message_contains("not accessible by") {
        return "";
    }
    if name.starts_with("heads/") {
        return "; a workflow file changed: without the permission `workflows: write`, which only an app or a person can \
                have, a token may not bring a workflow file into a branch";
    }
    "; the token needs `contents: write`"
}
