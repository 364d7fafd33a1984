//! Opens, finds and closes the pull requests of rotations.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{GithubError, HttpMethod, RetryPolicy, list_at, unexpected_reply};
use super::reply_times::time_at;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, ForeignChange, IssueTracker as _, PullRequests};
use crate::rotation::pull_request::PullRequestText;
use crate::rotation::{PullRequest, PullRequestState};
use crate::url_encoding::encode_segment;

/// How often a pull request is read until GitHub, which computes it in the background, says whether it can be merged.
const LOOKS: usize = 4;
const BETWEEN: Duration = Duration::from_secs(1);

impl LiveBackend {
    /// The pull requests from a branch onto the default branch, newest first.
    async fn list_pulls(&self, branch: &str, state: &str) -> BackendResult<Vec<Value>> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let path = format!(
            "pulls?head={}&state={state}&sort=created&direction=desc&per_page=30",
            encode_segment(&format!("{owner}:{branch}"))
        );
        let answer = self.api.get_json(&self.repository_endpoint(&path)).await?;
        let mut pulls = list_at(&answer, "")?.clone();
        // GitHub ignores a filter that it cannot apply, and a fork can have a branch of the same name.
        pulls.retain(|pull| self.is_from_branch(pull, branch) && pull["base"]["ref"] == *self.default_branch);
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull["number"].as_u64()));
        Ok(pulls)
    }

    /// Whether an open pull request has conflicts. While GitHub does not know, it counts as having none: the rotation then
    /// only waits.
    async fn has_conflicts(&self, number: u64) -> BackendResult<bool> {
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let pull = self.api.get_json(&self.repository_endpoint(&format!("pulls/{number}"))).await?;
            if let Some(mergeable) = pull["mergeable"].as_bool() {
                // `dirty` means conflicts; what any other state lacks, such as a review, no rebase brings
                return Ok(!mergeable && pull["mergeable_state"] == "dirty");
            }
        }
        Ok(false)
    }

    async fn find_open_pull(&self, branch: &str) -> BackendResult<Option<u64>> {
        Ok(self.list_pulls(branch, "open").await?.first().and_then(|pull| pull["number"].as_u64()))
    }

    /// Adds labels and requests reviews. The rotation does not depend on them, so a failure is only a remark.
    async fn add_labels_and_reviewers(&self, number: u64, text: &PullRequestText) {
        if !text.labels.is_empty() {
            let body = json!({ "labels": text.labels });
            self.try_to("label", &format!("issues/{number}/labels"), &body).await;
        }
        let (teams, people): (Vec<&str>, Vec<&str>) = text
            .reviewers
            .iter()
            .map(|reviewer| reviewer.trim_start_matches('@'))
            .partition(|reviewer| reviewer.contains('/'));
        let teams: Vec<&str> = teams.iter().filter_map(|team| team.split('/').nth(1)).collect();
        if !teams.is_empty() || !people.is_empty() {
            self.request_reviews(number, &people, &teams).await;
        }
    }

    /// Asks all reviewers at once. GitHub refuses the whole list where one of them has left, so then each is asked alone.
    async fn request_reviews(&self, number: u64, people: &[&str], teams: &[&str]) {
        let path = format!("pulls/{number}/requested_reviewers");
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        let Err(refusal) = self.send_extra(&path, &body).await else { return };
        if people.len() + teams.len() == 1 || refusal.status != Some(422) {
            self.remark_failure("ask for reviews of", &refusal);
            return;
        }
        for name in people {
            let body = json!({ "reviewers": [name] });
            if let Err(trouble) = self.send_extra(&path, &body).await {
                self.remark_failure(&format!("ask `{name}` for a review of"), &trouble);
            }
        }
        for team in teams {
            let body = json!({ "team_reviewers": [team] });
            if let Err(trouble) = self.send_extra(&path, &body).await {
                self.remark_failure(&format!("ask the team `{team}` for a review of"), &trouble);
            }
        }
    }

    async fn try_to(&self, what: &str, path: &str, body: &Value) {
        if let Err(trouble) = self.send_extra(path, body).await {
            self.remark_failure(what, &trouble);
        }
    }

    async fn send_extra(&self, path: &str, body: &Value) -> Result<Value, GithubError> {
        self.api
            .send_request(HttpMethod::Post(body), &self.repository_endpoint(path), RetryPolicy::Harmless)
            .await
    }

    fn remark_failure(&self, what: &str, trouble: &GithubError) {
        self.add_remark(format!("keytide could not {what} the pull request: {}", trouble.what));
    }
}

/// Reads a pull request of a list.
fn parse_pull_request(pull: &Value) -> BackendResult<PullRequest> {
    let number = pull["number"].as_u64().ok_or_else(|| unexpected_reply("number"))?;
    let opened = time_at(pull, "/created_at")?;
    let is_merged = !pull["merged_at"].is_null();
    let merged = is_merged.then(|| time_at(pull, "/merged_at")).transpose()?;
    let state = match (merged, pull["state"].as_str()) {
        (Some(at), _) => PullRequestState::Merged { at },
        (None, Some("open")) => PullRequestState::Open { conflicting: false },
        (None, Some("closed")) => PullRequestState::Closed,
        _ => return Err(unexpected_reply("state")),
    };
    Ok(PullRequest { number, opened, state })
}

impl LiveBackend {
    pub(super) fn is_from_repository(&self, pull: &Value) -> bool {
        pull["head"]["repo"]["id"].as_u64() == Some(self.id)
    }

    fn is_from_branch(&self, pull: &Value, branch: &str) -> bool {
        pull["head"]["ref"] == branch && self.is_from_repository(pull)
    }
}

impl PullRequests for LiveBackend {
    /// Requests a pull request from a branch to itself, which GitHub cannot create: a token without the permission gets 403
    /// or 404 instead.
    async fn ensure_may_open(&self) -> BackendResult<()> {
        let body = json!({ "title": "keytide", "head": self.default_branch, "base": self.default_branch });
        let sent = self
            .api
            .send_request(HttpMethod::Post(&body), &self.repository_endpoint("pulls"), RetryPolicy::Harmless)
            .await;
        match sent {
            Err(trouble) if matches!(trouble.status, Some(403 | 404)) => {
                Err(BackendError { kind: ErrorKind::Rejected, ..trouble.into() })
            }
            // The expected refusal is 422. Any other failure shows again when there is a branch to propose.
            _ => Ok(()),
        }
    }

    async fn find_pull_request(&self, branch: &str) -> BackendResult<Option<PullRequest>> {
        let pulls = self.list_pulls(branch, "all").await?;
        let Some(pull) = pulls.first() else { return Ok(None) };
        let mut found = parse_pull_request(pull)?;
        if found.is_open() {
            found.state = PullRequestState::Open { conflicting: self.has_conflicts(found.number).await? };
        }
        Ok(Some(found))
    }

    async fn open_pull_request(&self, branch: &str, text: &PullRequestText) -> BackendResult<u64> {
        self.server_time.ensure_clocks_agree()?;
        // An earlier run may have opened it and ended before it could record that.
        if let Some(number) = self.find_open_pull(branch).await? {
            return Ok(number);
        }
        let body = json!({
            "title": text.title,
            "body": text.body,
            "head": branch,
            "base": self.default_branch,
        });
        let sent = self
            .api
            .send_request(HttpMethod::Post(&body), &self.repository_endpoint("pulls"), RetryPolicy::Never)
            .await;
        let number = match sent {
            Ok(pull) => pull["number"].as_u64(),
            // After a lost reply, or if another run was first: the pull request may be open.
            Err(trouble)
                if trouble.outcome == ErrorKind::Indeterminate
                    || trouble.message_contains("already exists") =>
            {
                let number = self.find_open_pull(branch).await?;
                if number.is_none() {
                    return Err(trouble.into());
                }
                number
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let number = number.ok_or_else(|| {
            BackendError::new(ErrorKind::Indeterminate, "GitHub's pull request has no number")
        })?;
        self.add_labels_and_reviewers(number, text).await;
        Ok(number)
    }

    async fn close_pull_request(&self, number: u64) -> BackendResult<()> {
        let body = json!({ "state": "closed" });
        let path = self.repository_endpoint(&format!("pulls/{number}"));
        self.api.send_request(HttpMethod::Patch(&body), &path, RetryPolicy::Harmless).await?;
        Ok(())
    }

    async fn comment_on_pull_request(&self, number: u64, text: &str) {
        // A pull request is an issue as well
        if let Err(why) = self.add_comment(number, text).await {
            self.add_remark(format!("keytide could not comment on the pull request: {}", why.message));
        }
    }

    async fn list_foreign_changes(
        &self,
        own: &[String],
        since: Timestamp,
        head: &str,
    ) -> BackendResult<Vec<ForeignChange>> {
        self.read_foreign_changes(own, since, head).await
    }

    async fn may_write(&self, person: &str) -> BackendResult<bool> {
        self.has_write_access(person).await
    }
}
