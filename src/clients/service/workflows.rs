//! Workflows of the repository.

use jiff::Timestamp;

use super::Service;
use super::api::part;
use super::git::text;
use crate::clients::outside::{Answer, Failure, Outcome, Workflows};

impl Workflows for Service {
    /// When the run was asked for: what it then found is at least as new.
    async fn succeeded(&self, workflow: &str) -> Answer<Option<Timestamp>> {
        let file = workflow.rsplit('/').next().unwrap_or(workflow);
        let path = format!(
            "actions/workflows/{}/runs?branch={}&status=success&exclude_pull_requests=true&per_page=1",
            part(file),
            part(&self.default_branch)
        );
        let answer = self.api.get(&self.in_repository(&path)).await?;
        let Some(run) = answer["workflow_runs"].as_array().and_then(|runs| runs.first()) else {
            return Ok(None);
        };
        let at = text(run, "/created_at")?;
        at.parse().map(Some).map_err(|_| Failure::new(Outcome::NotDone, "GitHub's run has no date"))
    }
}
