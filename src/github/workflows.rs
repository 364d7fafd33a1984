//! Reads the runs of a workflow of the repository, and starts one.

use jiff::Timestamp;
use serde_json::Value;

use serde_json::json;

use super::api::{GithubError, HttpMethod, RetryPolicy, text_at, unexpected_reply};
use super::reply_times::time_at;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, Clock as _, ErrorKind, WorkflowRuns};
use crate::repository::{WORKFLOW_FOLDER, workflow_file_name};
use crate::rotation::RunState;
use crate::rotation::timing::DISPATCH_SKEW;
use crate::url_encoding::encode_segment;

/// How many pages of a hundred runs are read, the newest first.
const PAGES: usize = 5;
/// A branch that cannot exist, since Git permits no two dots in a name: a dispatch for it starts nothing.
const NO_BRANCH: &str = "keytide..no-branch";

impl WorkflowRuns for LiveBackend {
    /// The time at which the run was requested: what it tested is at least as new.
    async fn last_success(&self, workflow: &str) -> BackendResult<Option<Timestamp>> {
        let mut pages = RunPages::new(workflow, "status=success");
        while let Some(runs) = self.next_page(&mut pages).await? {
            if let Some(run) = runs.iter().find(|run| self.is_run_of(run, workflow) && is_success(run)) {
                return time_at(run, "/created_at").map(Some);
            }
        }
        Ok(None)
    }

    /// Of more runs than are read, the first that is read.
    async fn find_success_since(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<Timestamp>> {
        let pages = RunPages::new(workflow, "status=success");
        let first = self.find_first_run(pages, since, |run| self.is_run_of(run, workflow) && is_success(run));
        first.await?.map(|run| time_at(&run, "/updated_at")).transpose()
    }

    async fn find_workflow_blocker(&self, workflow: &str) -> BackendResult<Option<String>> {
        let path = workflow_path(workflow);
        let state = match self.api.get_json(&self.repository_endpoint(&path)).await {
            Ok(found) => text_at(&found, "/state")?,
            Err(error) if error.status == Some(404) => {
                return Ok(Some("GitHub knows no such workflow".to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(match state.as_str() {
            "active" => None,
            _ => Some(format!(
                "GitHub has it as `{state}`; enable it: `gh workflow enable {}`",
                workflow_file_name(workflow)
            )),
        })
    }

    async fn ensure_may_dispatch(&self, workflow: &str) -> BackendResult<()> {
        match self.send_dispatch(workflow, &json!({ "ref": NO_BRANCH }), RetryPolicy::Harmless).await {
            Err(error) if matches!(error.status, Some(403 | 404)) => Err(not_started(error)),
            // The refusal of the branch's name: the permission was there
            Err(error) if error.status == Some(422) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    async fn dispatch_workflow(&self, workflow: &str) -> BackendResult<Option<u64>> {
        let body = json!({ "ref": self.default_branch, "return_run_details": true });
        let sent = match self.send_dispatch(workflow, &body, RetryPolicy::Never).await {
            // A GitHub Enterprise Server of before that parameter refuses it, and starts nothing.
            Err(error) if error.status == Some(422) && error.message_contains("return_run_details") => {
                let body = json!({ "ref": self.default_branch });
                self.send_dispatch(workflow, &body, RetryPolicy::Never).await
            }
            sent => sent,
        };
        match sent {
            // Without that parameter the answer has no body.
            Ok(reply) => Ok(reply["workflow_run_id"].as_u64()),
            Err(error) if error.outcome == ErrorKind::Indeterminate => Err(error.into()),
            Err(error) => Err(not_started(error)),
        }
    }

    async fn find_dispatched_run(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<u64>> {
        let pages = RunPages::new(workflow, "event=workflow_dispatch");
        let first =
            self.find_first_run(pages, since, |run| self.is_run_of(run, workflow) && is_dispatched(run));
        Ok(first.await?.and_then(|run| run["id"].as_u64()))
    }

    async fn read_dispatched_run(
        &self,
        workflow: &str,
        run: u64,
        since: Timestamp,
    ) -> BackendResult<RunState> {
        let found = match self.api.get_json(&self.repository_endpoint(&format!("actions/runs/{run}"))).await {
            Ok(found) => found,
            Err(error) if error.status == Some(404) => return Ok(RunState::Missing),
            Err(error) => return Err(error.into()),
        };
        let is_ours = found["id"].as_u64() == Some(run)
            && is_dispatched(&found)
            && self.is_run_of(&found, workflow)
            && time_at(&found, "/created_at")? >= since;
        if !is_ours {
            return Ok(RunState::Missing);
        }
        let conclusion = found["conclusion"].as_str().filter(|_| found["status"] == "completed");
        Ok(match conclusion {
            Some("success") => RunState::Succeeded { at: time_at(&found, "/updated_at")? },
            Some(conclusion) => RunState::Failed { conclusion: conclusion.into() },
            None => RunState::Running,
        })
    }
}

/// The pages of a list of runs, the newest first.
struct RunPages {
    path: String,
    filter: &'static str,
    next: Option<usize>,
}

impl RunPages {
    fn new(workflow: &str, filter: &'static str) -> Self {
        Self { path: workflow_path(workflow), filter, next: Some(1) }
    }
}

impl LiveBackend {
    /// The first of the wanted runs since a time, as far as the pages are read.
    async fn find_first_run(
        &self,
        mut pages: RunPages,
        since: Timestamp,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> BackendResult<Option<Value>> {
        let mut first = None;
        while let Some(runs) = self.next_page(&mut pages).await? {
            for run in runs.into_iter().filter(&is_wanted) {
                if time_at(&run, "/created_at")? < since {
                    return Ok(first);
                }
                first = Some(run);
            }
        }
        Ok(first)
    }

    /// The runs of the next page; `None` after the last one that is read.
    async fn next_page(&self, pages: &mut RunPages) -> BackendResult<Option<Vec<Value>>> {
        let Some(page) = pages.next.take() else { return Ok(None) };
        let path = format!(
            "{}/runs?branch={}&{}&exclude_pull_requests=true&per_page=100&page={page}",
            pages.path,
            encode_segment(&self.default_branch),
            pages.filter
        );
        let mut answer = self.api.get_json(&self.repository_endpoint(&path)).await?;
        let Some(Value::Array(runs)) = answer.get_mut("workflow_runs").map(Value::take) else {
            return Err(unexpected_reply("`workflow_runs`"));
        };
        let counted = answer["total_count"].as_u64().ok_or_else(|| unexpected_reply("`total_count`"))?;
        if (runs.is_empty() && page == 1 && counted > 0)
            || runs.iter().any(|run| run["id"].as_u64().is_none())
        {
            return Err(unexpected_reply("list of the runs that it counts"));
        }
        if runs.len() == 100 && page < PAGES {
            pages.next = Some(page + 1);
        }
        Ok(Some(runs))
    }

    async fn send_dispatch(
        &self,
        workflow: &str,
        body: &Value,
        repeat: RetryPolicy,
    ) -> Result<Value, GithubError> {
        let path = self.repository_endpoint(&format!("{}/dispatches", workflow_path(workflow)));
        self.api.send_request(HttpMethod::Post(body), &path, repeat).await
    }

    /// Whether a run is one of a workflow, on the default branch itself. A fork's branch may have the same name, and the
    /// author of its pull request writes the workflow that runs. The filters of a request are no proof of what it returns.
    fn is_run_of(&self, run: &Value, workflow: &str) -> bool {
        let is_request = run["event"].as_str().is_none_or(|event| event.starts_with("pull_request"));
        // GitHub may add `@` and the reference to the path of the file
        let path = run["path"].as_str().and_then(|path| path.split('@').next()).unwrap_or_default();
        let is_past = time_at(run, "/created_at").is_ok_and(|at| at <= self.now() + DISPATCH_SKEW);
        !is_request
            && is_past
            && path.strip_prefix(WORKFLOW_FOLDER) == Some(workflow_file_name(workflow))
            && run["head_branch"].as_str() == Some(&*self.default_branch)
            && run["head_repository"]["id"].as_u64() == Some(self.id)
    }
}

fn workflow_path(workflow: &str) -> String {
    format!("actions/workflows/{}", encode_segment(workflow_file_name(workflow)))
}

fn is_success(run: &Value) -> bool {
    run["status"] == "completed" && run["conclusion"] == "success"
}

fn is_dispatched(run: &Value) -> bool {
    run["event"] == "workflow_dispatch"
}

/// The error of a workflow that GitHub did not start. The permission, the file or its state may change until the next run,
/// so it is never final.
fn not_started(error: GithubError) -> BackendError {
    let what = format!("the workflow of `redeploy` cannot be started: {}", error.what);
    BackendError::new(ErrorKind::NotApplied, what)
}
