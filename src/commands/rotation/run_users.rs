//! One user after the other: each has its turn, and one that fails does not stop the next.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use super::setup::RunContext;
use crate::engine::execute::{self, ChangeBudget, RunOutcome};
use crate::engine::observe::{UserRotation, observe_user};
use crate::rotation::decide;
use crate::system::shutdown::ShutdownSignals;

/// How long a step that is under way may go on after the run was asked to end. GitHub kills a run 10 seconds after it.
const LAST_STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of one user's turn.
pub struct UserRun {
    pub user_rotation: UserRotation,
    pub outcome: UserOutcome,
}

pub enum UserOutcome {
    /// It was looked at, and perhaps more.
    Finished(Box<RunOutcome>),
    /// The run was asked to end before this turn, or in the middle of it.
    NotStarted,
    Interrupted,
}

/// Looks at each user and changes nothing.
pub async fn plan_users(scene: &RunContext) -> Vec<UserRun> {
    let mut turns = Vec::new();
    for task in &scene.user_rotations {
        let seen = observe_user(&scene.service, task).await;
        let last = decide(&seen, &task.params);
        let ran = RunOutcome { steps_taken: Vec::new(), last_decision: last, observation: seen, error: None };
        turns.push(UserRun { user_rotation: task.clone(), outcome: UserOutcome::Finished(Box::new(ran)) });
    }
    turns
}

/// Takes each user's next step.
pub async fn rotate_users(
    scene: &RunContext,
    budget: &mut ChangeBudget,
    signals: &mut ShutdownSignals,
) -> Vec<UserRun> {
    let stop = Cell::new(false);
    let mut turns = Vec::new();
    for task in &scene.user_rotations {
        let outcome = if stop.get() {
            UserOutcome::NotStarted
        } else {
            rotate_user(scene, task, budget, signals, &stop).await
        };
        turns.push(UserRun { user_rotation: task.clone(), outcome });
    }
    turns
}

/// One user's turn. Asked to end, it begins no step any more, and the one under way is dropped when it takes too long:
/// what it had announced is in the journal.
async fn rotate_user(
    scene: &RunContext,
    task: &UserRotation,
    budget: &mut ChangeBudget,
    signals: &mut ShutdownSignals,
    stop: &Cell<bool>,
) -> UserOutcome {
    let is_asked = || stop.get();
    let mut run = pin!(execute::run_user(&scene.service, task, budget, &is_asked));
    tokio::select! {
        ran = &mut run => return UserOutcome::Finished(Box::new(ran)),
        () = signals.wait_for_signal() => stop.set(true),
    }
    match tokio::time::timeout(LAST_STEP_TIMEOUT, run).await {
        Ok(ran) => UserOutcome::Finished(Box::new(ran)),
        Err(_) => UserOutcome::Interrupted,
    }
}
