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

pub use session::Session;

use crate::engine::observe::{Task, observe};
use crate::ports::{Answer, Failure, Outcome, Outside};
use crate::rotation::{Decision, Event, Observation, Phase, Step, decide};

/// A run looks at most so often: each look that leads to a step ends the run or gets on.
const ROUNDS: usize = 12;

/// What a whole run may do, for all its users.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub deactivations: u32,
    pub deletions: u32,
    /// Only these steps take a key out of use: `None` for all.
    pub only: Option<Only>,
}

/// A run for one kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Nothing but deletions.
    Delete,
    /// Everything but deletions.
    NoDelete,
}

/// What one run came to, for one user.
#[derive(Debug)]
pub struct Ran {
    /// Each step that was taken, with its decision.
    pub taken: Vec<Decision>,
    /// Where the user stands now, as far as the last look told.
    pub last: Decision,
    /// The last look itself.
    pub seen: Observation,
    /// Why the run ended early.
    pub failure: Option<Failure>,
}

/// Takes a user as far as it goes in one run. `stop` tells that the run is asked to end.
pub async fn run(world: &impl Outside, task: &Task, budget: &mut Budget, stop: &dyn Fn() -> bool) -> Ran {
    let mut taken = Vec::new();
    let mut failure = None;
    let mut changed = false;
    let mut seen = observe(world, task).await;
    let mut last = decide(&seen, &task.rules);
    let mut session = Session::new(world, task, &seen);
    for _ in 0..ROUNDS {
        if stop() || last.step == Step::Wait {
            break;
        }
        if let Err(refused) = budget.allows(&last, changed) {
            last = refused;
            break;
        }
        changed |= last.step.changes_keys();
        let done = session.take(&seen, &last.step).await;
        budget.spend(&last.step);
        taken.push(last.clone());
        if let Err(why) = done {
            session.note_failure(&last.step, &why).await;
            failure = Some(why);
            break;
        }
        seen = observe(world, task).await;
        last = decide(&seen, &task.rules);
        session.look(&seen);
    }
    session.release(&seen).await;
    Ran { taken, last, seen, failure }
}

impl Default for Budget {
    fn default() -> Self {
        Self { deactivations: 5, deletions: 3, only: None }
    }
}

impl Budget {
    /// Whether this run may take a step.
    ///
    /// # Errors
    /// A wait, with the reason.
    fn allows(&self, decision: &Decision, changed: bool) -> Result<(), Decision> {
        let deletes = deletes(&decision.step);
        let why = match &decision.step {
            step if changed && step.changes_keys() => "this run has changed one of the user's keys already",
            step if deactivates(step) && self.deactivations == 0 => {
                "this run has deactivated as many keys as it may"
            }
            _ if deletes && self.deletions == 0 => "this run has deleted as many keys as it may",
            _ if deletes && self.only == Some(Only::NoDelete) => "this run may not delete",
            step if !deletes
                && self.only == Some(Only::Delete)
                && !matches!(step, Step::Claim | Step::Touch) =>
            {
                "this run may only delete"
            }
            _ => return Ok(()),
        };
        Err(Decision { step: Step::Wait, why: format!("{why}; next: {}", decision.step), ..decision.clone() })
    }

    fn spend(&mut self, step: &Step) {
        self.deactivations = self.deactivations.saturating_sub(u32::from(deactivates(step)));
        self.deletions = self.deletions.saturating_sub(u32::from(deletes(step)));
    }
}

fn deactivates(step: &Step) -> bool {
    matches!(step, Step::Deactivate { .. } | Step::Discard { delete: false, .. })
}

fn deletes(step: &Step) -> bool {
    matches!(step, Step::Delete { .. } | Step::Discard { delete: true, .. })
}

/// A person has looked: whatever held the user back is taken away.
///
/// # Errors
/// The journal cannot be read or written, or there is nothing to resume.
pub async fn resume(world: &impl Outside, task: &Task, reason: &str) -> Answer<()> {
    let seen = observe(world, task).await;
    let decision = decide(&seen, &task.rules);
    let Some(Some(user_id)) = seen.user_id.known() else {
        return Err(Failure::new(Outcome::NotDone, "the user could not be read, or does not exist"));
    };
    if !matches!(decision.phase, Phase::Held | Phase::Quarantined | Phase::Blocked) {
        let what = format!("nothing holds `{}` back: its phase is {}", task.user, decision.phase);
        return Err(Failure::new(Outcome::Refused, what));
    }
    let event = Event::Resumed { reason: reason.to_owned(), user_id: user_id.clone() };
    Session::new(world, task, &seen).append(event).await
}
