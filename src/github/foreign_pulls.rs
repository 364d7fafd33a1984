//! Reads what the open pull requests of other people change, with few requests: they are listed once in a run, and each is
//! compared once with each head of the default branch.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::api::{list_at, text_at, unexpected_reply};
use super::branches::found_or_none;
use super::pull_cache::{OpenPull, PullListing};
use super::reply_times::time_at;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, CommitComparison, ErrorKind, ForeignChange};
use crate::url_encoding::encode_segment;

/// The size of a page, and how many pages of open pull requests are read: everyone may open one from a fork.
const PAGE: usize = 100;
const PAGES: usize = 100;
/// How many pull requests of people who may write are compared in one run.
const COMPARED: usize = 500;
/// The maximum number of files in GitHub's comparison of two commits.
const LISTED: usize = 300;
/// The authors who can merge, or who were invited to work on the repository (GitHub, "CommentAuthorAssociation").
const TRUSTED: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];
/// An author who has committed before. GitHub says the same of a member whose membership is private.
const UNCLEAR: &str = "CONTRIBUTOR";

impl LiveBackend {
    pub(super) async fn read_foreign_changes(
        &self,
        own: &[String],
        since: Timestamp,
        head: &str,
    ) -> BackendResult<Vec<ForeignChange>> {
        let mut changes = Vec::new();
        for pull in self.list_open_pulls(since).await? {
            let is_own = pull.own_branch.as_ref().is_some_and(|branch| own.contains(branch));
            if pull.touched < since || is_own {
                continue;
            }
            let OpenPull { number, unclear_author, tip, .. } = pull;
            let CommitComparison { merge_base, paths } = match self.read_comparison(head, &tip).await {
                Ok(compared) => compared,
                Err(why) => {
                    // A branch that GitHub does not compare keeps no key alive if its author may not write
                    if !self.may_count(unclear_author.as_deref()).await? {
                        continue;
                    }
                    return Err(BackendError::new(why.kind, format!("pull request #{number}: {why}")));
                }
            };
            changes.push(ForeignChange { number, unclear_author, base: merge_base, tip: tip.into(), paths });
        }
        Ok(changes)
    }

    /// The pull requests that count as references to a key, updated since a time or before.
    async fn list_open_pulls(&self, since: Timestamp) -> BackendResult<Vec<OpenPull>> {
        // A list since an earlier time contains that since a later one
        if let Some(known) = self.foreign.listed.borrow().as_ref().filter(|known| known.since <= since) {
            return Ok(known.pulls.clone());
        }
        let pulls = self.read_open_pulls(since).await?;
        *self.foreign.listed.borrow_mut() = Some(PullListing { since, pulls: pulls.clone() });
        Ok(pulls)
    }

    /// Lists them, the newest first. Only those that count are limited in number: strangers can open any number.
    async fn read_open_pulls(&self, since: Timestamp) -> BackendResult<Vec<OpenPull>> {
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "pulls?state=open&base={}&sort=updated&direction=desc&per_page={PAGE}&page={page}",
                encode_segment(&self.default_branch)
            );
            let answer = self.api.get_json(&self.repository_endpoint(&path)).await?;
            let pulls = list_at(&answer, "")?;
            for pull in pulls {
                let touched = time_at(pull, "/updated_at")?;
                // The list is sorted by this time, so nothing after it counts either
                if touched < since {
                    return Ok(found);
                }
                found.extend(self.parse_open_pull(pull, touched)?);
            }
            if found.len() > COMPARED {
                found = self.drop_outsiders(found).await?;
            }
            // An error and not a cut: a pull request that was left out could bring the key back
            if found.len() > COMPARED {
                return Err(too_many(COMPARED));
            }
            if pulls.len() < PAGE {
                return Ok(found);
            }
        }
        Err(too_many(PAGES * PAGE))
    }

    /// The pull requests without those of people who may not write: they can open any number as well.
    async fn drop_outsiders(&self, pulls: Vec<OpenPull>) -> BackendResult<Vec<OpenPull>> {
        let mut counted = Vec::new();
        for pull in pulls {
            if self.may_count(pull.unclear_author.as_deref()).await? {
                counted.push(pull);
            }
        }
        Ok(counted)
    }

    /// Whether a pull request counts by its author, of whom GitHub may not say whether it is a member.
    async fn may_count(&self, unclear_author: Option<&str>) -> BackendResult<bool> {
        match unclear_author {
            Some(author) => self.has_write_access(author).await,
            None => Ok(true),
        }
    }

    /// `None` for one of a stranger: everyone may open one from a fork, and that must not keep a key alive.
    fn parse_open_pull(&self, pull: &Value, touched: Timestamp) -> BackendResult<Option<OpenPull>> {
        let association = pull["author_association"].as_str().unwrap_or_default();
        let is_own = self.is_from_repository(pull);
        if !is_own && association != UNCLEAR && !TRUSTED.contains(&association) {
            return Ok(None);
        }
        let is_unclear = !is_own && association == UNCLEAR;
        Ok(Some(OpenPull {
            number: pull["number"].as_u64().ok_or_else(|| unexpected_reply("number"))?,
            touched,
            own_branch: if is_own { pull["head"]["ref"].as_str().map(str::to_owned) } else { None },
            unclear_author: if is_unclear { Some(text_at(pull, "/user/login")?.into()) } else { None },
            tip: text_at(pull, "/head/sha")?,
        }))
    }

    /// What a branch changes: from its merge base with the default branch to its last commit.
    pub(super) async fn read_comparison(&self, head: &str, tip: &str) -> BackendResult<CommitComparison> {
        let pair = (head.to_owned(), tip.to_owned());
        if let Some(known) = self.foreign.compared.borrow().get(&pair) {
            return Ok(known.clone());
        }
        let path = format!("compare/{}...{}?per_page=1", encode_segment(head), encode_segment(tip));
        let answer = self.api.get_json(&self.repository_endpoint(&path)).await?;
        let files = list_at(&answer, "/files")?;
        let mut paths = BTreeSet::new();
        for file in files {
            paths.insert(text_at(file, "/filename")?);
            // A file that was renamed is gone from its former path
            paths.extend(file["previous_filename"].as_str().map(str::to_owned));
        }
        let comparison = CommitComparison {
            merge_base: text_at(&answer, "/merge_base_commit/sha")?.into(),
            // At the maximum GitHub may have left out files.
            paths: if files.len() < LISTED { Some(paths) } else { None },
        };
        self.foreign.compared.borrow_mut().insert(pair, comparison.clone());
        Ok(comparison)
    }

    /// Whether a person may write to the repository. If the token may not ask, the person counts as one who may: the key
    /// then stays.
    pub(super) async fn has_write_access(&self, person: &str) -> BackendResult<bool> {
        if let Some(known) = self.foreign.writers.borrow().get(person) {
            return Ok(*known);
        }
        let path = self.repository_endpoint(&format!("collaborators/{}/permission", encode_segment(person)));
        let found = found_or_none(self.api.get_json(&path).await)?;
        let may_write = match found.as_ref().and_then(|found| found["permission"].as_str()) {
            // Anything but the two that are known to be harmless counts, also a role that GitHub adds later
            Some(permission) => !["read", "none"].contains(&permission),
            None => true,
        };
        self.foreign.writers.borrow_mut().insert(person.to_owned(), may_write);
        Ok(may_write)
    }
}

fn too_many(limit: usize) -> BackendError {
    let what = format!(
        "more than {limit} pull requests were updated since the rotation began; close those that are done"
    );
    BackendError::new(ErrorKind::NotApplied, what)
}
