//! Pull requests from keytide's own branches.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{HttpMethod, RetryPolicy, encode_segment};
use super::contents::text_at;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, ForeignChange, PullRequests};
use crate::rotation::pull_request::PullRequestText;
use crate::rotation::{PullRequest, PullRequestState};

/// How often it is asked whether a pull request can be merged: GitHub finds out in the background.
const LOOKS: usize = 4;
const BETWEEN: Duration = Duration::from_secs(1);
/// How many pages of open pull requests are read.
const PAGES: usize = 5;
/// GitHub compares two commits by so many files at most.
const LISTED: usize = 300;

impl LiveBackend {
    /// The pull requests from a branch onto the default branch, newest first.
    async fn list_pulls(&self, branch: &str, state: &str) -> BackendResult<Vec<Value>> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let path = format!(
            "pulls?head={}&state={state}&sort=created&direction=desc&per_page=30",
            encode_segment(&format!("{owner}:{branch}"))
        );
        let answer = self.api.get_json(&self.in_repository(&path)).await?;
        let pulls = answer.as_array().cloned();
        let mut pulls = pulls.ok_or_else(|| {
            BackendError::new(ErrorKind::NotApplied, "GitHub's list of pull requests is none")
        })?;
        let own = |pull: &Value| {
            pull["head"]["ref"] == branch
                && pull["base"]["ref"] == *self.default_branch
                && pull["head"]["repo"]["id"].as_u64() == Some(self.id)
        };
        pulls.retain(own);
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull["number"].as_u64()));
        Ok(pulls)
    }

    /// Whether an open pull request has conflicts. While GitHub does not know, it has none: then it is only waited.
    async fn has_conflicts(&self, number: u64) -> BackendResult<bool> {
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let pull = self.api.get_json(&self.in_repository(&format!("pulls/{number}"))).await?;
            if let Some(mergeable) = pull["mergeable"].as_bool() {
                return Ok(!mergeable && pull["mergeable_state"] == "dirty");
            }
        }
        Ok(false)
    }

    /// The open pull requests onto the default branch that something was done to since then, newest first.
    async fn open_since(&self, since: Timestamp) -> BackendResult<Vec<Value>> {
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "pulls?state=open&base={}&sort=updated&direction=desc&per_page=100&page={page}",
                encode_segment(&self.default_branch)
            );
            let answer = self.api.get_json(&self.in_repository(&path)).await?;
            let pulls = answer.as_array().ok_or_else(|| {
                BackendError::new(ErrorKind::NotApplied, "GitHub's list of pull requests is none".to_owned())
            })?;
            for pull in pulls {
                let touched: Timestamp =
                    text_at(pull, "/updated_at")?.parse().map_err(|_| unexpected_reply("date"))?;
                if touched < since {
                    return Ok(found);
                }
                found.push(pull.clone());
            }
            if pulls.len() < 100 {
                return Ok(found);
            }
        }
        let what = format!("more than {} pull requests were touched since the rotation began", PAGES * 100);
        Err(BackendError::new(ErrorKind::NotApplied, what))
    }

    /// What a pull request changes: from where its commits leave the default branch, to its last one.
    async fn read_change(&self, pull: &Value) -> BackendResult<ForeignChange> {
        let number = pull["number"].as_u64().ok_or_else(|| unexpected_reply("number"))?;
        let tip = text_at(pull, "/head/sha")?;
        let path =
            format!("compare/{}...{}?per_page=1", encode_segment(&self.default_branch), encode_segment(&tip));
        let answer = self.api.get_json(&self.in_repository(&path)).await?;
        let files = answer["files"].as_array().ok_or_else(|| unexpected_reply("files"))?;
        let mut paths = BTreeSet::new();
        for file in files {
            paths.insert(text_at(file, "/filename")?);
        }
        Ok(ForeignChange {
            number,
            base: text_at(&answer, "/merge_base_commit/sha")?.into(),
            tip: tip.into(),
            paths: (files.len() < LISTED).then_some(paths),
        })
    }

    async fn find_open_pull(&self, branch: &str) -> BackendResult<Option<u64>> {
        Ok(self.list_pulls(branch, "open").await?.first().and_then(|pull| pull["number"].as_u64()))
    }

    /// Labels and reviewers: without them the pull request is as good.
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
            let body = json!({ "reviewers": people, "team_reviewers": teams });
            self.try_to("ask for reviews of", &format!("pulls/{number}/requested_reviewers"), &body).await;
        }
    }

    async fn try_to(&self, what: &str, path: &str, body: &Value) {
        let sent = self
            .api
            .send_request(HttpMethod::Post(body), &self.in_repository(path), RetryPolicy::Harmless)
            .await;
        if let Err(trouble) = sent {
            self.add_remark(format!("keytide could not {what} the pull request: {}", trouble.what));
        }
    }
}

fn unexpected_reply(what: &str) -> BackendError {
    BackendError::new(ErrorKind::NotApplied, format!("GitHub's pull request has no {what}"))
}

/// A pull request of a list.
fn parse_pull_request(pull: &Value) -> BackendResult<PullRequest> {
    let number = pull["number"].as_u64().ok_or_else(|| unexpected_reply("number"))?;
    let opened = text_at(pull, "/created_at")?.parse().map_err(|_| unexpected_reply("date"))?;
    let merged =
        pull["merged_at"].as_str().map(str::parse).transpose().map_err(|_| unexpected_reply("date"))?;
    let state = match (merged, pull["state"].as_str()) {
        (Some(at), _) => PullRequestState::Merged { at },
        (None, Some("open")) => PullRequestState::Open { conflicting: false },
        (None, Some("closed")) => PullRequestState::Closed,
        _ => return Err(unexpected_reply("state")),
    };
    Ok(PullRequest { number, opened, state })
}

/// Those who can merge, or are asked to work here (GitHub, "CommentAuthorAssociation").
const TRUSTED: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

impl LiveBackend {
    /// Whether a pull request counts: a stranger's, which anybody may open, keeps no key alive.
    fn may_bring(&self, pull: &Value) -> bool {
        let author = pull["author_association"].as_str();
        let is_trusted = author.is_some_and(|author| TRUSTED.contains(&author));
        is_trusted || pull["head"]["repo"]["id"].as_u64() == Some(self.id)
    }
}

impl PullRequests for LiveBackend {
    /// Asks for what GitHub cannot do, a pull request from a branch to itself: who may not ask is told so.
    async fn ensure_may_open(&self) -> BackendResult<()> {
        let body = json!({ "title": "keytide", "head": self.default_branch, "base": self.default_branch });
        let sent = self
            .api
            .send_request(HttpMethod::Post(&body), &self.in_repository("pulls"), RetryPolicy::Harmless)
            .await;
        match sent {
            Err(trouble) if matches!(trouble.status, Some(403 | 404)) => {
                Err(BackendError { kind: ErrorKind::Rejected, ..trouble.into() })
            }
            // Whatever else is wrong shows when there is something to propose.
            _ => Ok(()),
        }
    }

    async fn find_pull_request(&self, branch: &str) -> BackendResult<Option<PullRequest>> {
        let pulls = self.list_pulls(branch, "all").await?;
        let Some(pull) = pulls.first() else { return Ok(None) };
        let mut found = parse_pull_request(pull)?;
        if matches!(found.state, PullRequestState::Open { .. }) {
            found.state = PullRequestState::Open { conflicting: self.has_conflicts(found.number).await? };
        }
        Ok(Some(found))
    }

    async fn open_pull_request(&self, branch: &str, text: &PullRequestText) -> BackendResult<u64> {
        self.server_time.ensure_clocks_agree()?;
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
            .send_request(HttpMethod::Post(&body), &self.in_repository("pulls"), RetryPolicy::Never)
            .await;
        let number = match sent {
            Ok(pull) => pull["number"].as_u64(),
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
        let path = self.in_repository(&format!("pulls/{number}"));
        self.api.send_request(HttpMethod::Patch(&body), &path, RetryPolicy::Harmless).await?;
        Ok(())
    }

    async fn list_foreign_changes(
        &self,
        own: &[String],
        since: Timestamp,
    ) -> BackendResult<Vec<ForeignChange>> {
        let mut changes = Vec::new();
        for pull in self.open_since(since).await? {
            let is_own = |branch: &String| {
                pull["head"]["ref"] == **branch && pull["head"]["repo"]["id"].as_u64() == Some(self.id)
            };
            if self.may_bring(&pull) && !own.iter().any(is_own) {
                changes.push(self.read_change(&pull).await?);
            }
        }
        Ok(changes)
    }
}
