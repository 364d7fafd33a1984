//! Workflows of the repository.

use jiff::Timestamp;
use serde_json::Value;

use super::Service;
use super::api::part;
use super::git::text;
use crate::clients::outside::{Answer, Failure, Outcome, Workflows};

impl Workflows for Service {
    /// When the run was asked for: what it then found is at least as new.
    async fn succeeded(&self, workflow: &str) -> Answer<Option<Timestamp>> {
        let file = workflow.rsplit('/').next().unwrap_or(workflow);
        let path = format!(
            "actions/workflows/{}/runs?branch={}&status=success&exclude_pull_requests=true&per_page=100",
            part(file),
            part(&self.default_branch)
        );
        let answer = self.api.get(&self.in_repository(&path)).await?;
        let runs = answer["workflow_runs"].as_array().into_iter().flatten();
        let Some(run) = runs.into_iter().find(|run| self.is_of_the_branch(run)) else { return Ok(None) };
        let at = text(run, "/created_at")?;
        at.parse().map(Some).map_err(|_| Failure::new(Outcome::NotDone, "GitHub's run has no date"))
    }
}

impl Service {
    /// Not of a pull request from a fork, whose branch may have the same name: what that ran, its author wrote.
    fn is_of_the_branch(&self, run: &Value) -> bool {
        let is_request = run["event"].as_str().is_none_or(|event| event.starts_with("pull_request"));
        !is_request && run["head_repository"]["id"].as_u64() == Some(self.id)
    }
}
