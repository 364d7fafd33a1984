//! Facts in, one step out. Total over every observation, and pure.
//!
//! [`ROWS`] is the protocol: rows are tried from top to bottom, the first that speaks decides, and [`gate`] lets a
//! step through only for the run that has claimed the user. Each row is a small function that says why.

mod situation;
mod progress;
mod authorization;
pub mod guards;
mod retirement;
mod start;
mod anomalies;

use jiff::Timestamp;

pub use authorization::{CLAIM, CLAIM_MARGIN};
pub use guards::{DELETE_GUARDS, Guard, RETIRE_GUARDS};
pub use situation::{Case, Holds};

use super::{Observation, Phase, Rules, Step};

/// Where a user stands, what comes next, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub phase: Phase,
    pub step: Step,
    /// The reason, in a sentence.
    pub why: String,
    /// What a person can do, if it is a person's turn.
    pub help: Option<String>,
    /// Not before then.
    pub until: Option<Timestamp>,
}

/// A row of the protocol: `None` when it does not apply.
pub type Row = fn(&Case<'_>) -> Option<Decision>;

/// The rows, in the order in which they are tried, each with its name.
pub const ROWS: &[(&str, Row)] = &[
    ("quarantined", anomalies::quarantined),
    ("drifted", anomalies::drifted),
    ("orphan", anomalies::orphan),
    ("blocked", anomalies::blocked),
    ("compromised", progress::compromised),
    ("rolling back", retirement::rolling_back),
    ("claimed", progress::claimed),
    ("staged, not verified", progress::unverified),
    ("closed", retirement::given_up),
    ("proposed", progress::proposed),
    ("merged", progress::merged),
    ("grace", progress::grace),
    ("soaking", progress::soaking),
    ("due", start::due),
    ("healthy", start::healthy),
];

/// The protocol as data, so that a test can take a row or a guard out and see what breaks.
#[derive(Clone)]
pub struct Protocol {
    pub rows: Vec<(&'static str, Row)>,
    /// What must hold before a key that was published is deactivated.
    pub retire: Vec<Guard>,
    /// What must hold before it is deleted.
    pub delete: Vec<Guard>,
    /// Whether a step needs the run's claim. Without it the rest must still hold.
    pub claims: bool,
}

impl Default for Protocol {
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
pub fn decide(seen: &Observation, rules: &Rules) -> Decision {
    Protocol::default().decide(seen, rules)
}

impl Protocol {
    /// The next step of one user under this protocol.
    pub fn decide(&self, seen: &Observation, rules: &Rules) -> Decision {
        let case = match Case::of(seen, rules, self) {
            Ok(case) => case,
            Err(why) => return Decision::wait(Phase::Unknown, why),
        };
        let decision = self.rows.iter().find_map(|(_, row)| row(&case));
        authorization::gate(&case, decision.unwrap_or_else(|| unforeseen(&case)))
    }
}

/// No row speaks: the facts are of a kind that the protocol does not know, and nothing is done.
fn unforeseen(_case: &Case<'_>) -> Decision {
    Decision::wait(Phase::Blocked, "the facts fit no phase of a rotation")
        .help("look at the journal and the user's keys; `keytide rollback` brings the old key back")
}

impl Decision {
    pub fn wait(phase: Phase, why: impl Into<String>) -> Self {
        Self { phase, step: Step::Wait, why: why.into(), help: None, until: None }
    }

    pub fn take(phase: Phase, step: Step, why: impl Into<String>) -> Self {
        Self { phase, step, why: why.into(), help: None, until: None }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }
}
