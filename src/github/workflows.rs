//! Workflows of the repository.

use jiff::Timestamp;
use serde_json::Value;

use super::api::encode_segment;
use super::contents::text_at;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, WorkflowRuns};

/// Of the runs so many hundreds are looked at, the newest first.
const PAGES: usize = 5;

impl WorkflowRuns for LiveBackend {
    /// When the run was asked for: what it then found is at least as new.
    async fn last_success(&self, workflow: &str) -> BackendResult<Option<Timestamp>> {
        let file = workflow.rsplit('/').next().unwrap_or(workflow);
        let undated = |_| BackendError::new(ErrorKind::NotApplied, "GitHub's run has no date");
        for page in 1..=PAGES {
            let path = format!(
                "actions/workflows/{}/runs?branch={}&status=success&exclude_pull_requests=true&per_page=100&page={page}",
                encode_segment(file),
                encode_segment(&self.default_branch)
            );
            let answer = self.api.get_json(&self.in_repository(&path)).await?;
            let runs = answer["workflow_runs"].as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(run) = runs.iter().find(|run| self.is_of_the_branch(run)) {
                return text_at(run, "/created_at")?.parse().map(Some).map_err(undated);
            }
            if runs.len() < 100 {
                break;
            }
        }
        Ok(None)
    }
}

impl LiveBackend {
    /// Not of a pull request from a fork, whose branch may have the same name: what that ran, its author wrote.
    fn is_of_the_branch(&self, run: &Value) -> bool {
        let is_request = run["event"].as_str().is_none_or(|event| event.starts_with("pull_request"));
        !is_request && run["head_repository"]["id"].as_u64() == Some(self.id)
    }
}
