//! Reads when a workflow of the repository last succeeded.

use jiff::Timestamp;
use serde_json::Value;

use super::api::{encode_segment, text_at};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, WorkflowRuns};

/// How many pages of a hundred runs are read, the newest first.
const PAGES: usize = 5;

impl WorkflowRuns for LiveBackend {
    /// The time at which the run was requested: what it tested is at least as new.
    async fn last_success(&self, workflow: &str) -> BackendResult<Option<Timestamp>> {
        let file = workflow.rsplit('/').next().unwrap_or(workflow);
        for page in 1..=PAGES {
            let path = format!(
                "actions/workflows/{}/runs?branch={}&status=success&exclude_pull_requests=true&per_page=100&page={page}",
                encode_segment(file),
                encode_segment(&self.default_branch)
            );
            let answer = self.api.get_json(&self.in_repository(&path)).await?;
            let runs = answer["workflow_runs"].as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(run) = runs.iter().find(|run| self.is_of_the_branch(run)) {
                return text_at(run, "/created_at")?.parse().map(Some).map_err(|_| undated_run());
            }
            if runs.len() < 100 {
                break;
            }
        }
        Ok(None)
    }
}

impl LiveBackend {
    /// Whether a run is of the default branch itself. A fork's branch may have the same name, and the author of its pull
    /// request writes the workflow that runs.
    fn is_of_the_branch(&self, run: &Value) -> bool {
        let is_request = run["event"].as_str().is_none_or(|event| event.starts_with("pull_request"));
        !is_request && run["head_repository"]["id"].as_u64() == Some(self.id)
    }
}

fn undated_run() -> BackendError {
    BackendError::new(ErrorKind::NotApplied, "GitHub's run has no date")
}
