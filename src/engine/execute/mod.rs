//! Carries out the steps of a rotation, one run for one user: look, decide, do, look again. Decides nothing.
//!
//! Every call that changes a key is announced in the journal first, by a compare-and-swap on the head that the decision
//! was made on: what somebody else did meanwhile makes the announcement fail, and nothing is done. What is not known to
//! have happened is left to the next run, which looks.

mod new_key;
mod existing_keys;
mod pull_requests;
mod revert;
mod session;
mod stores;

pub use session::JournalSession;

use crate::engine::observe::{UserRotation, observe_user};
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::{JournalEvent, Observation, RotationPhase, RotationStep, StepDecision, decide};

/// A run looks at most so often: each look that leads to a step ends the run or gets on.
const ROUNDS: usize = 12;

/// What a whole run may do, for all its users.
#[derive(Debug, Clone, Copy)]
pub struct ChangeBudget {
    pub deactivations: u32,
    pub deletions: u32,
    /// Only these steps take a key out of use: `None` for all.
    pub only: Option<StepFilter>,
}

/// A run for one kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepFilter {
    /// Nothing but deletions.
    Delete,
    /// Everything but deletions.
    NoDelete,
}

/// What one run came to, for one user.
#[derive(Debug)]
pub struct RunOutcome {
    /// Each step that was taken, with its decision.
    pub steps_taken: Vec<StepDecision>,
    /// Where the user stands now, as far as the last look told.
    pub last_decision: StepDecision,
    /// The last look itself.
    pub observation: Observation,
    /// Why the run ended early.
    pub error: Option<BackendError>,
}

/// Takes a user as far as it goes in one run. `stop` tells that the run is asked to end.
pub async fn run_user(
    world: &impl Backend,
    task: &UserRotation,
    budget: &mut ChangeBudget,
    stop: &dyn Fn() -> bool,
) -> RunOutcome {
    let mut taken = Vec::new();
    let mut failure = None;
    let mut changed = false;
    let mut seen = observe_user(world, task).await;
    let mut last = decide(&seen, &task.params);
    let mut session = JournalSession::new(world, task, &seen);
    for _ in 0..ROUNDS {
        if stop() || last.step == RotationStep::Wait {
            break;
        }
        if let Err(refused) = budget.check_step(&last, changed) {
            last = refused;
            break;
        }
        changed |= last.step.changes_keys();
        let done = session.execute_step(&seen, &last.step).await;
        budget.charge_step(&last.step);
        taken.push(last.clone());
        if let Err(why) = done {
            session.note_failure(&last.step, &why).await;
            failure = Some(why);
            break;
        }
        seen = observe_user(world, task).await;
        last = decide(&seen, &task.params);
        session.follow_observation(&seen);
    }
    session.release_claim(&seen).await;
    RunOutcome { steps_taken: taken, last_decision: last, observation: seen, error: failure }
}

impl Default for ChangeBudget {
    fn default() -> Self {
        Self { deactivations: 5, deletions: 3, only: None }
    }
}

impl ChangeBudget {
    /// Whether this run may take a step.
    ///
    /// # Errors
    /// A wait, with the reason.
    fn check_step(&self, decision: &StepDecision, changed: bool) -> Result<(), StepDecision> {
        let deletes = is_deletion(&decision.step);
        let why = match &decision.step {
            step if changed && step.changes_keys() => "this run has changed one of the user's keys already",
            step if is_deactivation(step) && self.deactivations == 0 => {
                "this run has deactivated as many keys as it may"
            }
            _ if deletes && self.deletions == 0 => "this run has deleted as many keys as it may",
            _ if deletes && self.only == Some(StepFilter::NoDelete) => "this run may not delete",
            step if !deletes
                && self.only == Some(StepFilter::Delete)
                && !matches!(step, RotationStep::Claim | RotationStep::Heartbeat) =>
            {
                "this run may only delete"
            }
            _ => return Ok(()),
        };
        Err(StepDecision {
            step: RotationStep::Wait,
            why: format!("{why}; next: {}", decision.step),
            ..decision.clone()
        })
    }

    fn charge_step(&mut self, step: &RotationStep) {
        self.deactivations = self.deactivations.saturating_sub(u32::from(is_deactivation(step)));
        self.deletions = self.deletions.saturating_sub(u32::from(is_deletion(step)));
    }
}

fn is_deactivation(step: &RotationStep) -> bool {
    matches!(step, RotationStep::Deactivate { .. } | RotationStep::Discard { delete: false, .. })
}

fn is_deletion(step: &RotationStep) -> bool {
    matches!(step, RotationStep::Delete { .. } | RotationStep::Discard { delete: true, .. })
}

/// A person has looked: whatever held the user back is taken away.
///
/// # Errors
/// The journal cannot be read or written, or there is nothing to resume.
pub async fn resume_user(world: &impl Backend, task: &UserRotation, reason: &str) -> BackendResult<()> {
    let seen = observe_user(world, task).await;
    let decision = decide(&seen, &task.params);
    let Some(Some(user_id)) = seen.user_id.known() else {
        return Err(BackendError::new(
            ErrorKind::NotApplied,
            "the user could not be read, or does not exist",
        ));
    };
    if !matches!(decision.phase, RotationPhase::Held | RotationPhase::Quarantined | RotationPhase::Blocked) {
        let what = format!("nothing holds `{}` back: its phase is {}", task.user, decision.phase);
        return Err(BackendError::new(ErrorKind::Rejected, what));
    }
    let event = JournalEvent::Resumed { reason: reason.to_owned(), user_id: user_id.clone() };
    JournalSession::new(world, task, &seen).append_event(event).await
}
