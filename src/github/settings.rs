//! Reads the settings of a repository that decide whether a rotation can work, for `keytide doctor`.

use serde_json::Value;

use super::api::unexpected_reply;
use crate::live::LiveBackend;
use crate::ports::BackendResult;
use crate::url_encoding::encode_segment;

/// What protects an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentGuard {
    /// How many persons and teams may approve a job.
    pub reviewers: usize,
    /// Whether only some branches may use it.
    pub restricts_branches: bool,
}

/// The form of the subject in the repository's OIDC tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectForm {
    /// The claims of a form of the repository's own; empty for GitHub's form.
    pub own_claims: Vec<String>,
    /// What the subject begins with, if GitHub says it.
    pub prefix: Option<String>,
    /// Whether the subject has the numeric IDs.
    pub is_immutable: Option<bool>,
}

impl LiveBackend {
    /// What the user of the token may do with the repository, if GitHub says it: `push`.
    ///
    /// # Errors
    /// GitHub refused, or did not answer.
    pub async fn read_push_permission(&self) -> BackendResult<Option<bool>> {
        let found = self.api.get_json(&format!("/repos/{}", self.repository)).await?;
        Ok(found["permissions"]["push"].as_bool())
    }

    /// The scopes of a classic token.
    pub fn token_scopes(&self) -> Option<String> {
        self.api.token_scopes()
    }

    /// Whether the repository lets `GITHUB_TOKEN` open pull requests.
    ///
    /// # Errors
    /// The token may not read the setting, or GitHub did not answer.
    pub async fn read_may_workflows_open_pulls(&self) -> BackendResult<bool> {
        let found = self.api.get_json(&self.repository_endpoint("actions/permissions/workflow")).await?;
        found["can_approve_pull_request_reviews"].as_bool().ok_or_else(|| unexpected_reply("setting"))
    }

    /// What protects an environment.
    ///
    /// # Errors
    /// There is no such environment, the token may not read it, or GitHub did not answer.
    pub async fn read_environment_guard(&self, name: &str) -> BackendResult<EnvironmentGuard> {
        let path = self.repository_endpoint(&format!("environments/{}", encode_segment(name)));
        let found = self.api.get_json(&path).await?;
        let mut guard = EnvironmentGuard {
            // `null` is what GitHub writes where any branch may use the environment
            restricts_branches: found["deployment_branch_policy"].is_object(),
            ..EnvironmentGuard::default()
        };
        for rule in found["protection_rules"].as_array().into_iter().flatten() {
            guard.reviewers += rule["reviewers"].as_array().map_or(0, Vec::len);
        }
        Ok(guard)
    }

    /// The form of the subject in the OIDC tokens of this repository's workflows.
    ///
    /// # Errors
    /// The token may not read it, or GitHub did not answer.
    pub async fn read_subject_form(&self) -> BackendResult<SubjectForm> {
        let found = self.api.get_json(&self.repository_endpoint("actions/oidc/customization/sub")).await?;
        let Some(uses_default) = found["use_default"].as_bool() else {
            return Err(unexpected_reply("form of the subject"));
        };
        let mut own_claims = Vec::new();
        if !uses_default {
            let claims = found["include_claim_keys"].as_array().into_iter().flatten();
            own_claims.extend(claims.filter_map(Value::as_str).map(str::to_owned));
        }
        Ok(SubjectForm {
            own_claims,
            prefix: found["sub_claim_prefix"].as_str().map(str::to_owned),
            is_immutable: found["use_immutable_subject"].as_bool(),
        })
    }

    /// The types of the rules that apply to a branch, whatever exceptions they have.
    ///
    /// # Errors
    /// The token may not read them, or GitHub did not answer.
    pub async fn list_branch_rules(&self, branch: &str) -> BackendResult<Vec<String>> {
        let rules = self.read_branch_rules(branch).await?;
        Ok(rules.iter().filter_map(|rule| rule["type"].as_str()).map(str::to_owned).collect())
    }

    /// Whether an existing branch is protected.
    ///
    /// # Errors
    /// There is no such branch, or GitHub did not answer.
    pub async fn is_protected_branch(&self, branch: &str) -> BackendResult<bool> {
        let found = self
            .api
            .get_json(&self.repository_endpoint(&format!("branches/{}", encode_segment(branch))))
            .await?;
        found["protected"].as_bool().ok_or_else(|| unexpected_reply("protection"))
    }

    /// The names of the references that begin with a prefix, both without the leading `refs/`.
    ///
    /// # Errors
    /// The token may not read them, or GitHub did not answer.
    pub async fn list_reference_names(&self, prefix: &str) -> BackendResult<Vec<String>> {
        let found = self.list_refs(prefix).await?;
        Ok(found.into_iter().map(|(name, _)| name.trim_start_matches("refs/").to_owned()).collect())
    }
}
