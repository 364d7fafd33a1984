//! Creates and updates the branches of a rotation, and finds the repository rules that would prevent it.

use serde_json::Value;

use super::api::{GithubError, encode_segment, list_at};
use super::references::ReferenceChange;
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, BranchCommit, CommitComparison, CommitId, ErrorKind, FileChanges,
    RotationBranches,
};

/// The types of GitHub's rules that always prevent the creation or the update of a rotation's branch. What depends on a
/// pattern, a signature or the token shows when the branch is made, before a key is.
const RULES: [(&str, &str); 4] = [
    ("creation", "the creation of"),
    ("update", "changes of"),
    ("pull_request", "to pull requests the changes of"),
    ("required_linear_history", "merges into"),
];

impl LiveBackend {
    /// Whether the rules of a set do not apply to this token. If GitHub does not show that, the rules count as not
    /// applying: a later request would be refused.
    async fn is_exempt(&self, set: &Value) -> BackendResult<bool> {
        let path = self.repository_endpoint(&format!("rulesets/{set}"));
        Ok(found_or_none(self.api.get_json(&path).await)?.is_none_or(|set| {
            !["never", "pull_requests_only"].iter().any(|no| set["current_user_can_bypass"] == **no)
        }))
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

/// The reply, or `None` if the token may not read it or this version of GitHub does not have it.
pub(super) fn found_or_none(answer: Result<Value, GithubError>) -> BackendResult<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(GithubError { outcome: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => Ok(None),
        Err(trouble) => Err(trouble.into()),
    }
}

impl RotationBranches for LiveBackend {
    async fn find_branch_blocker(&self, branch: &str) -> BackendResult<Option<String>> {
        let path =
            self.repository_endpoint(&format!("rules/branches/{}?per_page=100", encode_segment(branch)));
        let found = found_or_none(self.api.get_json(&path).await)?;
        let Some(found) = &found else { return Ok(None) };
        for rule in list_at(found, "")? {
            let Some((_, what)) = RULES.iter().find(|(kind, _)| rule["type"] == **kind) else { continue };
            if rule["ruleset_id"].is_u64() && !self.is_exempt(&rule["ruleset_id"]).await? {
                let help = "except `keytide/**/*` from it, or exempt whom the token belongs to";
                return Ok(Some(format!(
                    "a rule of the repository restricts {what} the branch `{branch}`; {help}"
                )));
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
