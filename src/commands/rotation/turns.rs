//! One user after the other: each has its turn, and one that fails does not stop the next.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use super::begin::Scene;
use crate::apply::{self, Budget, Ran};
use crate::clients::observe::{Task, observe};
use crate::clients::signals::Signals;
use crate::rotation::decide;

/// How long a step that is under way may go on after the run was asked to end. GitHub kills a run 10 seconds after it.
const LAST_STEP: Duration = Duration::from_secs(5);

/// What became of one user's turn.
pub struct Turn {
    pub task: Task,
    pub outcome: Outcome,
}

pub enum Outcome {
    /// It was looked at, and perhaps more.
    Ran(Box<Ran>),
    /// The run was asked to end before this turn, or in the middle of it.
    NotBegun,
    CutShort,
}

/// Looks at each user and changes nothing.
pub async fn look(scene: &Scene) -> Vec<Turn> {
    let mut turns = Vec::new();
    for task in &scene.tasks {
        let seen = observe(&scene.service, task).await;
        let last = decide(&seen, &task.rules);
        let ran = Ran { taken: Vec::new(), last, seen, failure: None };
        turns.push(Turn { task: task.clone(), outcome: Outcome::Ran(Box::new(ran)) });
    }
    turns
}

/// Takes each user's next step.
pub async fn take(scene: &Scene, budget: &mut Budget, signals: &mut Signals) -> Vec<Turn> {
    let stop = Cell::new(false);
    let mut turns = Vec::new();
    for task in &scene.tasks {
        let outcome =
            if stop.get() { Outcome::NotBegun } else { turn(scene, task, budget, signals, &stop).await };
        turns.push(Turn { task: task.clone(), outcome });
    }
    turns
}

/// One user's turn. Asked to end, it begins no step any more, and the one under way is dropped when it takes too long:
/// what it had announced is in the journal.
async fn turn(
    scene: &Scene,
    task: &Task,
    budget: &mut Budget,
    signals: &mut Signals,
    stop: &Cell<bool>,
) -> Outcome {
    let is_asked = || stop.get();
    let mut run = pin!(apply::run(&scene.service, task, budget, &is_asked));
    tokio::select! {
        ran = &mut run => return Outcome::Ran(Box::new(ran)),
        () = signals.asked_to_end() => stop.set(true),
    }
    match tokio::time::timeout(LAST_STEP, run).await {
        Ok(ran) => Outcome::Ran(Box::new(ran)),
        Err(_) => Outcome::CutShort,
    }
}
