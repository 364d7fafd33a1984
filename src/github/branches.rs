//! Creates and updates the branches of a rotation, and finds the repository rules that would prevent it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{GithubError, PAGE, list_at};
use super::push_rules::find_refused_file;
use super::references::ReferenceChange;
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, BranchCommit, CommitComparison, CommitId, ErrorKind, FileChanges,
    RotationBranches,
};
use crate::url_encoding::encode_segment;

/// The types of GitHub's rules that always prevent the creation or the update of a rotation's branch. What depends on a
/// pattern, a signature or the token shows when the branch is made, before a key is.
const RULES: [(&str, &str); 4] = [
    ("creation", "the creation of"),
    ("update", "changes of"),
    ("pull_request", "to pull requests the changes of"),
    ("required_linear_history", "merges into"),
];

/// How many pages of rules are read.
const MAX_PAGES: usize = 20;

impl LiveBackend {
    /// The rules that apply to a branch, of all pages.
    pub(super) async fn read_branch_rules(&self, branch: &str) -> Result<Vec<Value>, GithubError> {
        let mut rules = Vec::new();
        for page in 1..=MAX_PAGES {
            let query = format!("rules/branches/{}?per_page={PAGE}&page={page}", encode_segment(branch));
            let answer = match self.api.get_json(&self.repository_endpoint(&query)).await {
                // The token may read them, as the first page shows
                Err(trouble) if page > 1 => return Err(incomplete_rules(trouble.what)),
                answer => answer?,
            };
            let listed = list_at(&answer, "").map_err(|error| incomplete_rules(error.message))?;
            rules.extend_from_slice(listed);
            if listed.len() < PAGE {
                return Ok(rules);
            }
        }
        // One that was left out could refuse the branch after the key was made
        Err(incomplete_rules(format!("more than {} rules apply to the branch `{branch}`", MAX_PAGES * PAGE)))
    }

    /// Whether the rules of a set do not apply to this token; `None` if GitHub does not show that.
    async fn is_exempt(&self, set: &Value) -> BackendResult<Option<bool>> {
        let path = self.repository_endpoint(&format!("rulesets/{set}"));
        let found = found_or_none(self.api.get_json(&path).await)?;
        let bypass = found.as_ref().and_then(|set| set["current_user_can_bypass"].as_str());
        Ok(bypass.map(|bypass| !["never", "pull_requests_only"].contains(&bypass)))
    }

    /// What a rule has against a branch or its files, where it applies to this token.
    async fn apply_rule(
        &self,
        rule: &Value,
        branch: &str,
        files: &BTreeMap<String, usize>,
    ) -> BackendResult<Option<String>> {
        let is_numbered = rule["ruleset_id"].is_u64();
        if let Some((_, what)) = RULES.iter().find(|(kind, _)| rule["type"] == **kind) {
            // Where GitHub does not show whom the rule is for, the creation of the branch shows it
            if !is_numbered || self.is_exempt(&rule["ruleset_id"]).await?.unwrap_or(true) {
                return Ok(None);
            }
            let help = "except `keytide/**/*` from it, or exempt whom the token belongs to";
            return Ok(Some(format!(
                "a rule of the repository restricts {what} the branch `{branch}`; {help}"
            )));
        }
        let Some(what) = find_refused_file(rule, files)? else { return Ok(None) };
        // No push is tried with these files before the key is made: a rule whose exceptions are not known counts
        if is_numbered && self.is_exempt(&rule["ruleset_id"]).await?.unwrap_or(false) {
            return Ok(None);
        }
        let help = "except the file from it, or exempt whom the token belongs to";
        Ok(Some(format!("a rule of the repository {what}; {help}")))
    }

    /// A commit on a branch, whose first parent is the tip.
    async fn advance_branch(
        &self,
        branch: &str,
        tree: &str,
        parents: &[&str],
        message: &str,
    ) -> BackendResult<CommitId> {
        let commit = self.make_commit(tree, parents, message).await?;
        let name = format!("heads/{branch}");
        let from = parents.first().copied();
        self.change_reference(ReferenceChange { name: &name, from, to: &commit }).await?;
        Ok(commit.into())
    }
}

/// The error of a list of rules of which a part was not read.
fn incomplete_rules(what: String) -> GithubError {
    GithubError { status: None, outcome: ErrorKind::NotApplied, what }
}

/// The reply, or `None` if the token may not read it or this version of GitHub does not have it.
pub(super) fn found_or_none<T>(answer: Result<T, GithubError>) -> BackendResult<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(trouble) if trouble.outcome == ErrorKind::NotFound || trouble.status == Some(403) => Ok(None),
        // A token that is wrong, or a repository elsewhere, says nothing about what was asked
        Err(trouble) => Err(trouble.into()),
    }
}

impl RotationBranches for LiveBackend {
    async fn find_branch_blocker(
        &self,
        branch: &str,
        files: &BTreeMap<String, usize>,
    ) -> BackendResult<Option<String>> {
        if let Some(blocker) = self.find_path_blocker(files).await? {
            return Ok(Some(blocker));
        }
        let Some(rules) = found_or_none(self.read_branch_rules(branch).await)? else { return Ok(None) };
        for rule in &rules {
            if let Some(blocker) = self.apply_rule(rule, branch, files).await? {
                return Ok(Some(blocker));
            }
        }
        Ok(None)
    }

    async fn read_branch_tip(&self, branch: &str) -> BackendResult<Option<CommitId>> {
        Ok(self.read_ref(&format!("heads/{branch}")).await?.map(CommitId::from))
    }

    async fn read_branch_commit(&self, commit: &str) -> BackendResult<BranchCommit> {
        let info = self.commit_info(commit).await?;
        let is_empty = match info.parents.first() {
            Some(parent) => self.commit_info(parent).await?.tree == info.tree,
            None => false,
        };
        Ok(BranchCommit { message: info.message.clone(), is_empty })
    }

    async fn compare_commits(&self, tip: &str, head: &str) -> BackendResult<CommitComparison> {
        self.read_comparison(head, tip).await
    }

    async fn start_branch(&self, branch: &str, at: &str) -> BackendResult<()> {
        self.change_reference(ReferenceChange { name: &format!("heads/{branch}"), from: None, to: at }).await
    }

    async fn create_branch(
        &self,
        branch: &str,
        base: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        // Before any object is created: a branch that exists makes all of them useless.
        if self.read_branch_tip(branch).await?.is_some() {
            return Err(BackendError::new(ErrorKind::Conflict, format!("the branch `{branch}` exists")));
        }
        let tree = self.make_tree(Some(base), files).await?;
        let commit = self.make_commit(&tree, &[base], message).await?;
        self.start_branch(branch, &commit).await?;
        Ok(commit.into())
    }

    async fn commit_to_branch(
        &self,
        branch: &str,
        tip: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let tree = self.make_tree(Some(tip), files).await?;
        self.advance_branch(branch, &tree, &[tip], message).await
    }

    async fn update_branch(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let tree = self.make_tree(Some(head), files).await?;
        // The tip first: only as its descendant the commit moves the branch forward
        self.advance_branch(branch, &tree, &[tip, head], message).await
    }

    async fn remove_branch(&self, branch: &str) -> BackendResult<()> {
        self.remove_reference(&format!("heads/{branch}")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_permission_that_the_token_lacks_is_no_reply() {
        for (status, kind, is_none) in [
            (403, ErrorKind::Rejected, true),
            (404, ErrorKind::NotFound, true),
            (401, ErrorKind::Rejected, false),
            (301, ErrorKind::Rejected, false),
            (422, ErrorKind::Rejected, false),
        ] {
            let refusal = GithubError { status: Some(status), outcome: kind, what: "x".to_owned() };
            assert_eq!(
                found_or_none::<Value>(Err(refusal)).is_ok_and(|found| found.is_none()),
                is_none,
                "{status}"
            );
        }
    }
}
