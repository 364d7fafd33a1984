//! Decides the next step of one user's rotation from one observation. Pure, and total over every observation.
//!
//! [`ROWS`] is the protocol: rows are tried from top to bottom, and the first that applies decides. `authorization` then
//! lets a step through only for the run that has claimed the user. Each row is a small function that gives its reason.

mod advice;
mod anomalies;
mod authorization;
mod decision;
mod discard;
mod first_key;
pub mod guards;
mod held;
mod last_key;
mod progress;
mod redeployment;
mod retirement;
mod rollback;
mod situation;
mod start;

pub use decision::{Advice, StepDecision};
pub use guards::{DELETE_GUARDS, RETIRE_GUARDS};
pub use situation::{HeldKey, RetirementGuard, Situation};

use super::{Observation, RotationParams, RotationPhase};

/// A row of the protocol: `None` when it does not apply.
pub type PhaseRow = fn(&Situation<'_>) -> Option<StepDecision>;

/// The rows, in the order in which they are tried, each with its name.
pub const ROWS: &[(&str, PhaseRow)] = &[
    ("quarantined", anomalies::check_quarantine),
    ("drifted", anomalies::reactivate_referenced_key),
    ("orphan", anomalies::discard_orphan_key),
    ("blocked", anomalies::check_blockers),
    ("compromised", progress::note_compromised_key),
    ("rolling back", rollback::roll_back),
    ("retiring", last_key::retire_last_key),
    ("claimed", progress::create_second_key),
    ("staged, not verified", progress::discard_unverified_key),
    ("closed", discard::retire_abandoned_key),
    ("proposed", progress::await_merge),
    ("merged", progress::deliver_to_stores),
    ("redeploying", redeployment::redeploy_after_delivery),
    ("grace", progress::await_retirement),
    ("soaking", progress::await_deletion),
    ("to retire", last_key::begin_retirement),
    ("first key", first_key::begin_first_key),
    ("due", start::begin_when_due),
    ("healthy", start::rest_when_healthy),
];

/// The protocol as data, so that a test can take a row or a guard out and see what breaks.
#[derive(Clone)]
pub struct DecisionTable {
    pub rows: Vec<(&'static str, PhaseRow)>,
    /// What must hold before a key that was published is deactivated.
    pub retire: Vec<RetirementGuard>,
    /// What must hold before it is deleted.
    pub delete: Vec<RetirementGuard>,
    /// Whether a step needs the run's claim. Without it the rest must still hold.
    pub claims: bool,
}

impl Default for DecisionTable {
    fn default() -> Self {
        Self {
            rows: ROWS.to_vec(),
            retire: RETIRE_GUARDS.to_vec(),
            delete: DELETE_GUARDS.to_vec(),
            claims: true,
        }
    }
}

/// The next step of one user.
pub fn decide(seen: &Observation, rules: &RotationParams) -> StepDecision {
    DecisionTable::default().decide(seen, rules)
}

impl DecisionTable {
    /// The next step of one user under this protocol, with what a person can do.
    pub fn decide(&self, seen: &Observation, rules: &RotationParams) -> StepDecision {
        match self.situation(seen, rules) {
            Ok(case) => advice::complete_texts(&case, self.choose_step(&case)),
            Err(unknown) => unknown,
        }
    }

    /// The same phase and step as of [`Self::decide`], without the advice: for the proofs, which decide at millions of
    /// observations.
    pub fn decide_step(&self, seen: &Observation, rules: &RotationParams) -> StepDecision {
        match self.situation(seen, rules) {
            Ok(case) => self.choose_step(&case),
            Err(unknown) => unknown,
        }
    }

    fn choose_step(&self, case: &Situation<'_>) -> StepDecision {
        // The first row that applies: a row relies on those above it having been ruled out
        let decision = self.rows.iter().find_map(|(_, row)| row(case));
        // Authorization comes after the decision, so that a run which may not write still reports the next step
        authorization::authorize_step(case, decision.unwrap_or_else(|| report_unforeseen_state(case)))
    }

    /// What the rows look at, or the wait for what could not be read.
    fn situation<'a>(
        &'a self,
        seen: &'a Observation,
        rules: &'a RotationParams,
    ) -> Result<Situation<'a>, StepDecision> {
        let case = Situation::from_observation(seen, rules)
            .map_err(|unknown| StepDecision::wait(RotationPhase::Unknown, unknown.to_string()))?;
        Ok(Situation {
            retire_guards: &self.retire,
            delete_guards: &self.delete,
            needs_claim: self.claims,
            ..case
        })
    }
}

/// No row applies: the protocol does not know such facts, and nothing is changed.
fn report_unforeseen_state(case: &Situation<'_>) -> StepDecision {
    StepDecision::wait(RotationPhase::Blocked, "the facts fit no phase of a rotation").with_help(format!(
        "inspect the journal and the user's keys; {} restores the old key",
        case.command("rollback")
    ))
}
