//! Creates and updates the branches of a rotation, and finds the repository rules that would prevent it.

use serde_json::Value;

use super::api::{GithubError, encode_segment};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, CommitId, ErrorKind, FileChanges, RotationBranches};

/// The types of GitHub's rules that prevent the creation, the update or the reset of a rotation's branch.
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
        let path = self.in_repository(&format!("rulesets/{set}"));
        Ok(found_or_none(self.api.get_json(&path).await)?
            .is_none_or(|set| set["current_user_can_bypass"] != "never"))
    }
}

/// The reply, or `None` if the token may not read it or this version of GitHub does not have it.
fn found_or_none(answer: Result<Value, GithubError>) -> BackendResult<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(GithubError { outcome: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => Ok(None),
        Err(trouble) => Err(trouble.into()),
    }
}

impl RotationBranches for LiveBackend {
    async fn find_branch_blocker(&self, branch: &str) -> BackendResult<Option<String>> {
        let path = self.in_repository(&format!("rules/branches/{}?per_page=100", encode_segment(branch)));
        let found = found_or_none(self.api.get_json(&path).await)?;
        let rules = found.as_ref().and_then(Value::as_array).into_iter().flatten();
        for rule in rules {
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
        self.put_reference(&format!("heads/{branch}"), &commit, true).await?;
        Ok(commit.into())
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
        let commit = self.make_commit(&tree, &[tip, head], message).await?;
        self.put_reference(&format!("heads/{branch}"), &commit, false).await?;
        Ok(commit.into())
    }
}
