//! Pull requests from keytide's own branches.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Repeat, Verb, part};
use super::contents::text;
use crate::live::Service;
use crate::ports::{Answer, Change, Failure, Outcome, Pulls};
use crate::rotation::pull_request::PullText;
use crate::rotation::{Proposal, PullState};

/// How often it is asked whether a pull request can be merged: GitHub finds out in the background.
const LOOKS: usize = 4;
const BETWEEN: Duration = Duration::from_secs(1);
/// How many pages of open pull requests are read.
const PAGES: usize = 5;
/// GitHub compares two commits by so many files at most.
const LISTED: usize = 300;

impl Service {
    /// The pull requests from a branch onto the default branch, newest first.
    async fn pulls(&self, branch: &str, state: &str) -> Answer<Vec<Value>> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let path = format!(
            "pulls?head={}&state={state}&sort=created&direction=desc&per_page=30",
            part(&format!("{owner}:{branch}"))
        );
        let answer = self.api.get(&self.in_repository(&path)).await?;
        let pulls = answer.as_array().cloned();
        let mut pulls =
            pulls.ok_or_else(|| Failure::new(Outcome::NotDone, "GitHub's list of pull requests is none"))?;
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
    async fn conflicts(&self, number: u64) -> Answer<bool> {
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let pull = self.api.get(&self.in_repository(&format!("pulls/{number}"))).await?;
            if let Some(mergeable) = pull["mergeable"].as_bool() {
                return Ok(!mergeable && pull["mergeable_state"] == "dirty");
            }
        }
        Ok(false)
    }

    /// The open pull requests onto the default branch that something was done to since then, newest first.
    async fn open_since(&self, since: Timestamp) -> Answer<Vec<Value>> {
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "pulls?state=open&base={}&sort=updated&direction=desc&per_page=100&page={page}",
                part(&self.default_branch)
            );
            let answer = self.api.get(&self.in_repository(&path)).await?;
            let pulls = answer.as_array().ok_or_else(|| {
                Failure::new(Outcome::NotDone, "GitHub's list of pull requests is none".to_owned())
            })?;
            for pull in pulls {
                let touched: Timestamp = text(pull, "/updated_at")?.parse().map_err(|_| strange("date"))?;
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
        Err(Failure::new(Outcome::NotDone, what))
    }

    /// What a pull request changes: from where its commits leave the default branch, to its last one.
    async fn change(&self, pull: &Value) -> Answer<Change> {
        let number = pull["number"].as_u64().ok_or_else(|| strange("number"))?;
        let tip = text(pull, "/head/sha")?;
        let path = format!("compare/{}...{}?per_page=1", part(&self.default_branch), part(&tip));
        let answer = self.api.get(&self.in_repository(&path)).await?;
        let files = answer["files"].as_array().ok_or_else(|| strange("files"))?;
        let mut paths = BTreeSet::new();
        for file in files {
            paths.insert(text(file, "/filename")?);
        }
        Ok(Change {
            number,
            base: text(&answer, "/merge_base_commit/sha")?.into(),
            tip: tip.into(),
            paths: (files.len() < LISTED).then_some(paths),
        })
    }

    async fn opened(&self, branch: &str) -> Answer<Option<u64>> {
        Ok(self.pulls(branch, "open").await?.first().and_then(|pull| pull["number"].as_u64()))
    }

    /// Labels and reviewers: without them the pull request is as good.
    async fn invite(&self, number: u64, text: &PullText) {
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
        let sent = self.api.send(Verb::Post(body), &self.in_repository(path), Repeat::Harmless).await;
        if let Err(trouble) = sent {
            self.remark(format!("keytide could not {what} the pull request: {}", trouble.what));
        }
    }
}

fn strange(what: &str) -> Failure {
    Failure::new(Outcome::NotDone, format!("GitHub's pull request has no {what}"))
}

/// A pull request of a list.
fn proposal(pull: &Value) -> Answer<Proposal> {
    let number = pull["number"].as_u64().ok_or_else(|| strange("number"))?;
    let opened = text(pull, "/created_at")?.parse().map_err(|_| strange("date"))?;
    let merged = pull["merged_at"].as_str().map(str::parse).transpose().map_err(|_| strange("date"))?;
    let state = match (merged, pull["state"].as_str()) {
        (Some(at), _) => PullState::Merged { at },
        (None, Some("open")) => PullState::Open { conflicting: false },
        (None, Some("closed")) => PullState::Closed,
        _ => return Err(strange("state")),
    };
    Ok(Proposal { number, opened, state })
}

/// Those who can merge, or are asked to work here (GitHub, "CommentAuthorAssociation").
const TRUSTED: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

impl Service {
    /// Whether a pull request counts: a stranger's, which anybody may open, keeps no key alive.
    fn may_bring(&self, pull: &Value) -> bool {
        let author = pull["author_association"].as_str();
        let is_trusted = author.is_some_and(|author| TRUSTED.contains(&author));
        is_trusted || pull["head"]["repo"]["id"].as_u64() == Some(self.id)
    }
}

impl Pulls for Service {
    /// Asks for what GitHub cannot do, a pull request from a branch to itself: who may not ask is told so.
    async fn may_open(&self) -> Answer<()> {
        let body = json!({ "title": "keytide", "head": self.default_branch, "base": self.default_branch });
        let sent = self.api.send(Verb::Post(&body), &self.in_repository("pulls"), Repeat::Harmless).await;
        match sent {
            Err(trouble) if matches!(trouble.status, Some(403 | 404)) => {
                Err(Failure { outcome: Outcome::Refused, ..trouble.into() })
            }
            // Whatever else is wrong shows when there is something to propose.
            _ => Ok(()),
        }
    }

    async fn find(&self, branch: &str) -> Answer<Option<Proposal>> {
        let pulls = self.pulls(branch, "all").await?;
        let Some(pull) = pulls.first() else { return Ok(None) };
        let mut found = proposal(pull)?;
        if matches!(found.state, PullState::Open { .. }) {
            found.state = PullState::Open { conflicting: self.conflicts(found.number).await? };
        }
        Ok(Some(found))
    }

    async fn open(&self, branch: &str, text: &PullText) -> Answer<u64> {
        self.time.agree()?;
        if let Some(number) = self.opened(branch).await? {
            return Ok(number);
        }
        let body = json!({
            "title": text.title,
            "body": text.body,
            "head": branch,
            "base": self.default_branch,
        });
        let sent = self.api.send(Verb::Post(&body), &self.in_repository("pulls"), Repeat::Never).await;
        let number = match sent {
            Ok(pull) => pull["number"].as_u64(),
            Err(trouble) if trouble.outcome == Outcome::Unknown || trouble.says("already exists") => {
                let number = self.opened(branch).await?;
                if number.is_none() {
                    return Err(trouble.into());
                }
                number
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let number =
            number.ok_or_else(|| Failure::new(Outcome::Unknown, "GitHub's pull request has no number"))?;
        self.invite(number, text).await;
        Ok(number)
    }

    async fn close(&self, number: u64) -> Answer<()> {
        let body = json!({ "state": "closed" });
        let path = self.in_repository(&format!("pulls/{number}"));
        self.api.send(Verb::Patch(&body), &path, Repeat::Harmless).await?;
        Ok(())
    }

    async fn others(&self, own: &[String], since: Timestamp) -> Answer<Vec<Change>> {
        let mut changes = Vec::new();
        for pull in self.open_since(since).await? {
            let is_own = |branch: &String| {
                pull["head"]["ref"] == **branch && pull["head"]["repo"]["id"].as_u64() == Some(self.id)
            };
            if self.may_bring(&pull) && !own.iter().any(is_own) {
                changes.push(self.change(&pull).await?);
            }
        }
        Ok(changes)
    }
}
