//! Starts the workflow of `redeploy`, so that applications which load the credential only at their start load the one that
//! their destinations hold: the new one after the delivery, the old one after a rollback.

use super::decision::StepDecision;
use super::situation::{HeldKey, NotReady, RetireCheck, Situation, UnknownFact, require_fact};
use crate::rotation::journal::{OpenRotation, RedeployCause};
use crate::rotation::{KeyId, ObservedKey, RedeployRun, RotationPhase, RotationStep, RunState};

/// Why the old key is deployed again.
const NO_NEW_KEY: &str = "no destination holds the new key any more";

/// Every destination holds the new key: the workflow is started once, and stops the rotation if it fails.
pub fn redeploy_after_delivery(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    rotation.distributed.filter(|_| case.rules.redeploy)?;
    // Also where a person has deactivated the old key: what loads the credential at its start needs the new one then.
    // Without the old key there is nothing that waits for it
    let is_gone = rotation.old.as_ref().is_some_and(|old| case.find_key(old).is_none());
    if is_gone || !case.find_key(new).is_some_and(ObservedKey::is_active) {
        return None;
    }
    // The row `grace` says what is wrong with a destination; a deployment would only spread it
    if !rotation.destinations.iter().all(|frozen| case.held_key(rotation, frozen) == HeldKey::New) {
        return None;
    }
    redeploy(case, rotation, RedeployCause::Delivery)
}

/// No destination holds the new key any more, after a rollback or because a person has taken it back: the workflow is
/// started if an application may have loaded it.
pub fn redeploy_old_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    match needs_rollback_redeployment(case, rotation) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(why) => return Some(StepDecision::wait(RotationPhase::Unknown, why.to_string())),
    }
    // A key that is deleted works nowhere, so the deployment cannot make it worse
    if case.find_key(new).is_some()
        && rotation
            .destinations
            .iter()
            .any(|frozen| !matches!(case.held_key(rotation, frozen), HeldKey::Old | HeldKey::Nothing))
    {
        return None;
    }
    redeploy(case, rotation, RedeployCause::Rollback)
}

/// Whether a rollback must start the workflow: a destination has held the new key, which an application may have loaded.
///
/// # Errors
/// It is not known.
fn needs_rollback_redeployment(case: &Situation<'_>, rotation: &OpenRotation) -> Result<bool, UnknownFact> {
    if !case.rules.redeploy {
        return Ok(false);
    }
    if rotation.distributed.is_some() || !rotation.delivered.is_empty() {
        return Ok(true);
    }
    require_fact("the pull request", &case.seen.pull_request)?;
    Ok(case.merged_at().is_some())
}

/// Starts the workflow, or waits for a person where its run has failed. `None`: it runs, or has succeeded.
fn redeploy(case: &Situation<'_>, rotation: &OpenRotation, cause: RedeployCause) -> Option<StepDecision> {
    let (phase, why) = match cause {
        RedeployCause::Delivery => (RotationPhase::Grace, "every destination holds the new key"),
        RedeployCause::Rollback if rotation.rollback.is_none() => (RotationPhase::Closed, NO_NEW_KEY),
        RedeployCause::Rollback => (RotationPhase::RollingBack, NO_NEW_KEY),
    };
    if rotation.redeployment_for(cause).and_then(|redeployment| redeployment.run).is_none() {
        return Some(StepDecision::take_step(phase, RotationStep::Redeploy { cause }, why));
    }
    let run = case.seen.redeploy_run.known()?.as_ref()?;
    let why = describe_failure(run)?;
    let help = format!(
        "re-run it, or start the workflow by hand: a later success counts as well. {} has it started again",
        case.command("resume")
    );
    Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help))
}

fn describe_failure(run: &RedeployRun) -> Option<String> {
    match &run.state {
        RunState::Failed { conclusion } => Some(format!(
            "run {} of the workflow of `redeploy` ended without success ({conclusion})",
            run.number
        )),
        RunState::Missing => Some(format!("GitHub has no run {} of the workflow of `redeploy`", run.number)),
        RunState::Running | RunState::Succeeded { .. } => None,
    }
}

/// The guard: a deployment with the key that the destinations hold has succeeded, so the other key is loaded nowhere.
///
/// # Errors
/// It has not, or not yet.
pub fn ensure_redeployed(going: &RetireCheck<'_>) -> Result<(), NotReady> {
    let (case, rotation) = (going.situation, going.rotation);
    // The key that goes decides, not what the journal has of the other one: a pull request that was merged after its key had
    // been given up was delivered like any other
    let ends_first_key = rotation.makes_first_key()
        && rotation.rollback.is_none()
        && case.destination_with_new_key(rotation).is_some();
    let cause = match going.is_old() || ends_first_key {
        true => RedeployCause::Delivery,
        false => RedeployCause::Rollback,
    };
    let is_needed = match cause {
        RedeployCause::Delivery => Ok(case.rules.redeploy),
        RedeployCause::Rollback => needs_rollback_redeployment(case, rotation),
    };
    let is_needed = is_needed.or_else(|why| not_ready(why.to_string()).map(|()| true))?;
    if rotation.retires || !is_needed {
        return Ok(());
    }
    let started = rotation.redeployment_for(cause).and_then(|redeployment| redeployment.run);
    let Some(number) = started else {
        return not_ready("the workflow of `redeploy` was not started yet".to_owned());
    };
    match case.seen.redeploy_run.known_or_reason() {
        Ok(Some(run)) if run.number == number => match (&run.state, describe_failure(run)) {
            (RunState::Succeeded { .. }, _) => Ok(()),
            (_, Some(why)) => not_ready(why),
            (_, None) => not_ready(format!("run {number} of the workflow of `redeploy` has not ended yet")),
        },
        Ok(_) => not_ready(format!("run {number} of the workflow of `redeploy` was not read")),
        Err(why) => not_ready(format!("run {number} of the workflow of `redeploy` could not be read: {why}")),
    }
}

fn not_ready(why: String) -> Result<(), NotReady> {
    Err(NotReady { why, until: None, help: None })
}
