//! Simulates the workflows of the repository: each run ends some minutes after its start, as a person has set it.

use jiff::Timestamp;

use super::backend::SimBackend;
use super::state::{MAIN, SimRun, SimState};
use crate::ports::{BackendError, BackendResult, ErrorKind, WorkflowRuns};
use crate::rotation::RunState;

impl SimState {
    /// Starts a workflow, if the default branch has its file.
    pub fn dispatch_workflow(&mut self, workflow: &str) -> BackendResult<Option<u64>> {
        let path = format!(".github/workflows/{workflow}");
        if !self.files_at(MAIN).is_some_and(|files| files.contains_key(&path)) {
            return Err(BackendError::new(ErrorKind::NotApplied, "there is no such workflow"));
        }
        let succeeds = !self.failing_workflows.contains(workflow);
        self.runs.push(SimRun { workflow: workflow.to_owned(), created: self.now, succeeds, by_hand: false });
        Ok(Some(self.runs.len() as u64))
    }

    /// A person starts a workflow.
    pub fn start_by_hand(&mut self, workflow: &str) {
        let succeeds = !self.failing_workflows.contains(workflow);
        self.runs.push(SimRun { workflow: workflow.to_owned(), created: self.now, succeeds, by_hand: true });
    }

    fn find_dispatched_run(&self, workflow: &str, since: Timestamp) -> Option<u64> {
        let mut runs = self.runs.iter();
        let index = runs.position(|run| run.workflow == workflow && run.created >= since)?;
        Some(index as u64 + 1)
    }

    fn run_state(&self, workflow: &str, number: u64, since: Timestamp) -> RunState {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let run = index.and_then(|index| self.runs.get(index));
        match run.filter(|run| run.workflow == workflow && run.created >= since) {
            None => RunState::Missing,
            Some(run) if run.ends_at() > self.now => RunState::Running,
            Some(run) if run.succeeds => RunState::Succeeded { at: run.ends_at() },
            Some(_) => RunState::Failed { conclusion: "failure".into() },
        }
    }

    /// When a workflow last succeeded: the start of that run, or the time that a test has set.
    fn last_success(&self, workflow: &str) -> Option<Timestamp> {
        let last = self.last_successful_run(workflow).map(|run| run.created);
        last.max(self.workflows.get(workflow).copied())
    }

    fn find_success_since(&self, workflow: &str, since: Timestamp) -> Option<Timestamp> {
        let mut runs = self.runs.iter().filter(|run| run.workflow == workflow && run.created >= since);
        runs.find(|run| run.succeeds && run.ends_at() <= self.now).map(SimRun::ends_at)
    }

    /// When the application was last deployed by a workflow.
    pub fn last_deployment(&self, workflow: &str) -> Option<Timestamp> {
        self.last_successful_run(workflow).map(SimRun::ends_at)
    }

    fn last_successful_run(&self, workflow: &str) -> Option<&SimRun> {
        let mut runs = self.runs.iter().rev();
        runs.find(|run| run.workflow == workflow && run.succeeds && run.ends_at() <= self.now)
    }
}

impl WorkflowRuns for SimBackend<'_> {
    async fn last_success(&self, workflow: &str) -> BackendResult<Option<Timestamp>> {
        self.serve_read("workflow:runs", |body| Ok(body.last_success(workflow))).await
    }

    async fn find_success_since(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<Timestamp>> {
        let workflow = workflow.to_owned();
        self.serve_read("workflow:runs", move |body| Ok(body.find_success_since(&workflow, since))).await
    }

    async fn find_workflow_blocker(&self, _: &str) -> BackendResult<Option<String>> {
        Ok(None)
    }

    async fn ensure_may_dispatch(&self, _: &str) -> BackendResult<()> {
        Ok(())
    }

    async fn dispatch_workflow(&self, workflow: &str) -> BackendResult<Option<u64>> {
        let workflow = workflow.to_owned();
        self.serve_write("workflow:dispatch", move |body| body.dispatch_workflow(&workflow)).await
    }

    async fn find_dispatched_run(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<u64>> {
        self.serve_read("workflow:find", |body| Ok(body.find_dispatched_run(workflow, since))).await
    }

    async fn read_dispatched_run(
        &self,
        workflow: &str,
        run: u64,
        since: Timestamp,
    ) -> BackendResult<RunState> {
        self.serve_read("workflow:run", |body| Ok(body.run_state(workflow, run, since))).await
    }
}
