//! Holds the state of a life under random failures.

use jiff::Timestamp;

use crate::engine::observe::UserRotation;
use crate::simulator::sample::SampleStores;
use crate::simulator::{Simulation, SplitMix};

/// The day on which a life begins.
pub const START: Timestamp = Timestamp::constant(1_795_262_400, 0);

/// What operators do besides merging and closing pull requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorBehaviour {
    /// Nothing.
    Kind,
    /// They revert, edit, create and switch keys.
    Meddling,
}

/// One life that is played: the simulated services, the user, and what has happened.
pub struct LifePlayer {
    pub world: Simulation,
    pub task: UserRotation,
    pub rng: SplitMix,
    pub runs: usize,
    pub lines: Vec<String>,
    pub meddled: bool,
    pub operators: OperatorBehaviour,
    pub stores: SampleStores,
    /// The head of the default branch when the life began.
    pub first_commit: String,
}

impl LifePlayer {
    pub fn new(
        world: Simulation,
        task: UserRotation,
        rng: SplitMix,
        (operators, stores): (OperatorBehaviour, SampleStores),
    ) -> Self {
        let first_commit = world.with_state(|state| state.body.default_head().to_string());
        let (lines, meddled) = (Vec::new(), false);
        Self { world, task, rng, runs: 0, lines, meddled, operators, stores, first_commit }
    }

    pub fn retires(&self) -> bool {
        self.task.params.may_retire
    }

    pub fn redeploys(&self) -> bool {
        self.task.params.redeploy
    }

    pub fn record_line(&mut self, text: String) {
        let day = self.world.current_time().duration_since(START).as_hours() / 24;
        self.lines.push(format!("day {day:>3}  {text}"));
    }
}

/// Marks an act that was refused.
pub fn refused(done: bool) -> &'static str {
    if done { "" } else { " (refused)" }
}
