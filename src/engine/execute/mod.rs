//! Runs the rotation of one user: observe, decide, execute one step, observe again. Makes no decision of its own.
//!
//! Every call that changes a key is announced in the journal first, by a compare-and-swap on the head that the decision
//! was made on. If another run has written meanwhile, the announcement fails and the call is not sent. A call whose effect
//! is unknown is left to the next run, which observes the result.

mod branch_content;
mod existing_keys;
mod new_key;
mod pull_requests;
mod redeploy;
mod rehearsal;
mod revert;
mod session;
mod steps;
mod stores;

pub use session::JournalSession;

use crate::engine::observe::{UserRotation, observe_user};
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::decide::Situation;
use crate::rotation::{
    JournalEvent, Observation, RotationPhase, RotationRequest, RotationStep, StepDecision, decide,
};
use crate::sentences::begin_sentence;

/// The limit of observations in one run. A forward rotation needs fewer; it only guards against an endless loop.
const ROUNDS: usize = 12;

/// What a run may still do, over all its users.
#[derive(Debug, Clone, Copy)]
pub struct ChangeBudget {
    pub deactivations: u32,
    pub deletions: u32,
    /// The kinds of steps that the run may take: `None` for all.
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

/// The result of one run for one user.
#[derive(Debug)]
pub struct RunOutcome {
    /// Each step that was taken, with its decision.
    pub steps_taken: Vec<StepDecision>,
    /// The decision on the last observation.
    pub last_decision: StepDecision,
    /// The last observation.
    pub observation: Observation,
    /// Why the run ended early.
    pub error: Option<BackendError>,
}

/// Takes as many steps for a user as one run may. `stop` returns whether the run was asked to end.
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
    // The role that only deletes may not write the tag
    if budget.only != Some(StepFilter::Delete)
        && let Err(why) = existing_keys::forget_active_keys(&session, &seen).await
    {
        return RunOutcome { steps_taken: taken, last_decision: last, observation: seen, error: Some(why) };
    }
    for _ in 0..ROUNDS {
        // Between two steps, never within one: a step that is cut off leaves a request without an answer
        if stop() || last.step == RotationStep::Wait {
            break;
        }
        if let Err(refused) = budget.check_step(&last, changed) {
            last = refused;
            break;
        }
        // Counted before the call, whose effect may be unknown
        changed |= last.step.changes_keys();
        let done = steps::execute_step(&mut session, &seen, &last.step).await;
        // Charged after a failure too: a request without an answer may have been applied
        budget.charge_step(&last.step);
        taken.push(last.clone());
        if let Err(why) = done {
            // No further step in this run: what the failed request did is known by the next observation only
            session.note_failure(&last.step, &why).await;
            failure = Some(why);
            break;
        }
        seen = observe_user(world, task).await;
        last = decide(&seen, &task.params);
        session.follow_observation(&seen);
    }
    // After a failure as well, so that the next run need not wait until the claim expires
    session.release_claim(&seen).await;
    if taken.is_empty()
        && let Some(ignored) = find_ignored_request(&seen)
    {
        // A person must not take a run that did nothing of what was asked for a success
        last = decide_without_request(&seen, task);
        failure = failure.or(Some(ignored));
    }
    RunOutcome { steps_taken: taken, last_decision: last, observation: seen, error: failure }
}

/// The error for a person who asked for a rollback, or for the rotation of a key that has leaked, while another run works
/// on the user. A scheduled run only waits.
fn find_ignored_request(seen: &Observation) -> Option<BackendError> {
    let claim = seen.journal.known()?.claim.as_ref()?;
    if !(seen.request.rollback || seen.request.compromised) || !claim.excludes(&seen.run, seen.now) {
        return None;
    }
    let what =
        format!("nothing was done: run {} is working on `{}` until {}", claim.run, seen.user, claim.until);
    Some(BackendError::new(ErrorKind::NotApplied, what))
}

/// The state of a user as it is, where another run keeps this one from what was asked.
fn decide_without_request(seen: &Observation, task: &UserRotation) -> StepDecision {
    let as_it_is = Observation { request: RotationRequest::default(), ..seen.clone() };
    decide(&as_it_is, &task.params)
        .with_help("no later run does by itself what was asked: run the same command again after that time")
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
            // IAM shows a change late, so a second one in the same run would be decided on an old list
            step if changed && step.changes_keys() => "this run has already changed one of the user's keys",
            step if is_deactivation(step) && self.deactivations == 0 => {
                "this run has reached --max-deactivations"
            }
            _ if deletes && self.deletions == 0 => "this run has reached --max-deletions",
            _ if deletes && self.only == Some(StepFilter::NoDelete) => "this run may not delete",
            step if !deletes
                && self.only == Some(StepFilter::Delete)
                // A deletion needs the claim, which is therefore allowed as well
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

/// What [`resume_user`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    Recorded,
    /// The rotation has not stopped; nothing was written.
    NotNeeded(RotationPhase),
}

/// Records a manual review, which ends a hold, a quarantine or a block.
///
/// # Errors
/// The journal cannot be read or written.
pub async fn resume_user(
    world: &impl Backend,
    task: &UserRotation,
    reason: &str,
) -> BackendResult<Resumption> {
    let seen = observe_user(world, task).await;
    let decision = decide(&seen, &task.params);
    let Some(Some(user_id)) = seen.user_id.known() else {
        return Err(BackendError::new(
            ErrorKind::NotApplied,
            "the user could not be read, or does not exist",
        ));
    };
    // What could not be read may be the very reason why the rotation stopped
    if decision.phase == RotationPhase::Unknown {
        return Err(BackendError::new(ErrorKind::NotApplied, decision.why));
    }
    if seen.journal.known().is_some_and(|journal| journal.unknown_event.is_some()) {
        let help = decision.help.map(|help| format!(". {}", begin_sentence(&help.text))).unwrap_or_default();
        return Err(BackendError::new(ErrorKind::Rejected, decision.why + &help));
    }
    // An entry `Resumed` clears failures and faults, so it is written only where a person was asked to look
    if !decision.phase.needs_person() {
        return Ok(Resumption::NotNeeded(decision.phase));
    }
    let mut session = JournalSession::new(world, task, &seen);
    let lost = Situation::from_observation(&seen, &task.params).ok().and_then(|case| case.lost_key());
    if let Some(key) = lost {
        // Otherwise the rotation would stay open, and its next look would stop it again
        session.append_event(JournalEvent::Deleted { key: key.clone() }).await?;
    }
    // With the ID of the user: a rotation of a former user of this name ends here
    let event = JournalEvent::Resumed { reason: reason.to_owned(), user_id: user_id.clone() };
    session.append_event(event).await?;
    Ok(Resumption::Recorded)
}
