//! Runs one user after the other. A user that fails does not stop the next one.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use super::context::RunContext;
use crate::engine::execute::{self, ChangeBudget, RunOutcome};
use crate::engine::observe::{UserRotation, observe_user};
use crate::rotation::decide;
use crate::system::shutdown::ShutdownSignals;

/// How long a step may continue after the run was asked to end. GitHub kills a cancelled job's processes after 10 seconds.
const LAST_STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// One user's rotation and what this run did about it.
pub struct UserRun {
    pub user_rotation: UserRotation,
    pub outcome: UserOutcome,
}

pub enum UserOutcome {
    /// The user was observed, and steps may have been performed.
    Finished(Box<RunOutcome>),
    /// The run was asked to end before it came to this user.
    NotStarted,
    /// The run was asked to end during a step.
    Interrupted,
}

impl UserRun {
    /// Whether the run was asked to end before it was done with this user.
    pub fn was_cut_off(&self) -> bool {
        matches!(self.outcome, UserOutcome::NotStarted | UserOutcome::Interrupted)
    }
}

/// Observes each user and decides, without changes.
pub async fn plan_users(run: &RunContext) -> Vec<UserRun> {
    let mut user_runs = Vec::new();
    for rotation in &run.user_rotations {
        user_runs.push(plan_user(run, rotation.clone()).await);
    }
    for user in &run.journal_users.names {
        if let Some(rotation) = run.open_journal(user).await {
            user_runs.push(plan_user(run, rotation).await);
        }
    }
    user_runs
}

async fn plan_user(run: &RunContext, rotation: UserRotation) -> UserRun {
    let observation = observe_user(&run.backend, &rotation).await;
    let last_decision = decide(&observation, &rotation.params);
    let outcome = UserOutcome::Finished(Box::new(RunOutcome {
        steps_taken: Vec::new(),
        last_decision,
        observation,
        error: None,
    }));
    UserRun { user_rotation: rotation, outcome }
}

/// Performs the next steps of each user.
pub async fn rotate_users(
    run: &RunContext,
    budget: &mut ChangeBudget,
    signals: &mut ShutdownSignals,
) -> Vec<UserRun> {
    let is_ending = Cell::new(false);
    let mut user_runs = Vec::new();
    for rotation in &run.user_rotations {
        let outcome = if is_ending.get() {
            UserOutcome::NotStarted
        } else {
            rotate_user(run, rotation, budget, signals, &is_ending).await
        };
        user_runs.push(UserRun { user_rotation: rotation.clone(), outcome });
    }
    for user in &run.journal_users.names {
        if is_ending.get() {
            break;
        }
        if let Some(rotation) = run.open_journal(user).await {
            let outcome = rotate_user(run, &rotation, budget, signals, &is_ending).await;
            user_runs.push(UserRun { user_rotation: rotation, outcome });
        }
    }
    user_runs
}

/// Performs one user's next steps. After a signal it begins no further step.
async fn rotate_user(
    run: &RunContext,
    rotation: &UserRotation,
    budget: &mut ChangeBudget,
    signals: &mut ShutdownSignals,
    is_ending: &Cell<bool>,
) -> UserOutcome {
    let should_stop = || is_ending.get();
    let mut steps = pin!(execute::run_user(&run.backend, rotation, budget, &should_stop));
    tokio::select! {
        ran = &mut steps => return UserOutcome::Finished(Box::new(ran)),
        () = signals.wait_for_signal() => is_ending.set(true),
    }
    // The step under way may finish. Dropping it is safe, too: the journal announced it, and the next run checks what
    // became of it.
    match tokio::time::timeout(LAST_STEP_TIMEOUT, steps).await {
        Ok(ran) => UserOutcome::Finished(Box::new(ran)),
        Err(_) => UserOutcome::Interrupted,
    }
}
