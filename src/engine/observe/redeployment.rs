//! Reads the workflows of `redeploy` and `validate`: whether the one can be started, and what came of their runs. Their names
//! come from the policy file alone, never from a journal.

use jiff::Timestamp;

use super::pull_requests::PullRequestReads;
use super::user_rotation::UserRotation;
use crate::policy::RedeployWorkflow;
use crate::ports::{Backend, BackendResult};
use crate::repository::{WORKFLOW_FOLDER, find_dispatch_obstacle, workflow_file_name};
use crate::rotation::{
    Observed, OpenRotation, PullRequest, PullRequestState, RedeployCause, RedeployRun, RunState,
};

impl UserRotation {
    /// The workflow that the policy file has for redeployments.
    pub fn redeploy_workflow(&self) -> Option<&RedeployWorkflow> {
        self.policy.as_ref()?.redeploy.as_ref()
    }
}

/// Why the workflow of `redeploy` could not be started, as far as that can be read.
pub async fn find_redeploy_fault(
    world: &impl Backend,
    task: &UserRotation,
    head: &str,
) -> BackendResult<Option<String>> {
    let Some(redeploy) = task.redeploy_workflow() else { return Ok(None) };
    find_workflow_fault(world, &redeploy.workflow.0, head).await
}

/// Why a workflow could not be started by a dispatch.
pub async fn find_workflow_fault(
    world: &impl Backend,
    workflow: &str,
    head: &str,
) -> BackendResult<Option<String>> {
    let path = format!("{WORKFLOW_FOLDER}{}", workflow_file_name(workflow));
    let fault = match world.read_file(head, &path).await? {
        None => Some("the default branch does not have this file".to_owned()),
        Some(bytes) => find_dispatch_obstacle(&String::from_utf8_lossy(&bytes)),
    };
    let fault = match fault {
        None => world.find_workflow_blocker(workflow).await?,
        found => found,
    };
    Ok(fault.map(|why| format!("`redeploy` cannot start `{path}`: {why}")))
}

/// The run that the journal names for the last redeployment, as GitHub shows it. One from before the merge that the
/// redeployment follows is none, whatever times the journal has.
pub async fn read_redeploy_run(
    world: &impl Backend,
    task: &UserRotation,
    open: Option<&OpenRotation>,
    proposals: &PullRequestReads,
) -> Observed<Option<RedeployRun>> {
    let (Some(redeploy), Some(rotation)) = (task.redeploy_workflow(), open) else {
        return Observed::Known(None);
    };
    let Some(begun) = &rotation.redeployment else { return Observed::Known(None) };
    let Some(number) = begun.run else { return Observed::Known(None) };
    let proposal = match begun.cause {
        RedeployCause::Delivery => &proposals.proposal,
        RedeployCause::Rollback => &proposals.revert,
    };
    let merged_at = match proposal.known_or_reason() {
        Ok(Some(PullRequest { state: PullRequestState::Merged { at }, .. })) => *at,
        // What it brought can be on the default branch by another merge, whose time is not known
        Ok(_) => Timestamp::UNIX_EPOCH,
        Err(why) => {
            return Observed::unknown(format!("the pull request that it follows could not be read: {why}"));
        }
    };
    let workflow = redeploy.workflow.0.as_str();
    let (since, other_since) =
        (begun.earliest_run().max(merged_at), begun.earliest_other_run().max(merged_at));
    let state = match world.read_dispatched_run(workflow, number, since).await {
        Ok(done @ RunState::Succeeded { .. }) => Ok(done),
        Ok(state) => read_later_success(world, workflow, other_since, state).await,
        Err(failure) => Err(failure),
    };
    Observed::from(state.map(|state| Some(RedeployRun { number, state })))
}

/// The success of a later run, which has deployed what the destinations hold as well; else the state of this one.
async fn read_later_success(
    world: &impl Backend,
    workflow: &str,
    since: Timestamp,
    state: RunState,
) -> BackendResult<RunState> {
    let other = world.find_success_since(workflow, since).await?;
    Ok(other.map_or(state, |at| RunState::Succeeded { at }))
}

/// When the workflow of `validate` last succeeded. Where it is the one of `redeploy`, that is when the deployment ended.
pub async fn read_validation(
    world: &impl Backend,
    task: &UserRotation,
    redeploy_run: &Observed<Option<RedeployRun>>,
) -> Observed<Option<Timestamp>> {
    let Some(validate) = task.policy.as_ref().and_then(|policy| policy.validate.as_ref()) else {
        return Observed::Known(None);
    };
    let last = Observed::from(world.last_success(&validate.workflow.0).await);
    let is_same = task.redeploy_workflow().is_some_and(|redeploy| {
        workflow_file_name(&redeploy.workflow.0) == workflow_file_name(&validate.workflow.0)
    });
    match redeploy_run.known() {
        Some(Some(RedeployRun { state: RunState::Succeeded { at }, .. })) if is_same => {
            last.map(|last| last.max(Some(*at)))
        }
        _ => last,
    }
}
