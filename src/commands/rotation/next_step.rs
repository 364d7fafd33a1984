//! Describes what a run would do next for a user.

use super::run_users::UserRun;
use crate::destinations::kind::describe_destination;
use crate::engine::execute::RunOutcome;
use crate::policy::Destination;
use crate::repository::lock_file_path;
use crate::rotation::{
    Observation, Observed, OpenRotation, RedeployCause, RotationPhase, RotationStep, StorageKind,
};

/// Describes what a run would do now; `None` if it would only wait.
pub fn next_step(user_run: &UserRun, ran: &RunOutcome) -> Option<String> {
    let last = &ran.last_decision;
    match (&last.step, last.phase) {
        (RotationStep::Wait | RotationStep::Heartbeat, _) => None,
        (
            RotationStep::Claim | RotationStep::BeginRotation { .. } | RotationStep::BeginFirstKey,
            RotationPhase::Due,
        ) => {
            let has_none = ran.observation.keys.known().is_some_and(Vec::is_empty);
            let which = if has_none { "the first key" } else { "a second key" };
            Some(describe_rotation(user_run, &ran.observation, which))
        }
        // A claim only keeps other runs away, so the phase says what the run claims the user for.
        (RotationStep::Claim, RotationPhase::Grace) if awaits_deployment(user_run, &ran.observation) => {
            Some(RotationStep::Redeploy { cause: RedeployCause::Delivery }.to_string())
        }
        (RotationStep::Claim, phase) => Some(describe_claim(phase, &ran.observation).to_owned()),
        (step, _) => Some(step.to_string()),
    }
}

/// Describes what a run does in a phase after it has claimed the user.
fn describe_claim(phase: RotationPhase, seen: &Observation) -> &'static str {
    match phase {
        RotationPhase::Claimed => "create the new key and open the pull request",
        RotationPhase::Conflicting => "update the pull request",
        RotationPhase::Merged if awaits_delivery(seen) => "write the new key to the stores",
        RotationPhase::Merged if is_first_key(seen) => "record that every destination holds the key",
        RotationPhase::Merged => "begin the grace period",
        RotationPhase::Grace if is_first_key(seen) => "end the rotation of the first key",
        RotationPhase::Grace => "continue towards the deactivation of the old key",
        RotationPhase::Soaking => "continue towards the deletion of the old key",
        RotationPhase::Retiring => "continue to retire the key",
        RotationPhase::Drifted => "activate the key that a destination holds",
        RotationPhase::Closed => "continue to discard the new key",
        RotationPhase::RollingBack => "continue the rollback",
        _ => "continue the rotation",
    }
}

/// Whether the workflow of `redeploy` was not started with the new key yet.
fn awaits_deployment(user_run: &UserRun, seen: &Observation) -> bool {
    let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
    let started = open.and_then(|open| open.redeployment_for(RedeployCause::Delivery)?.run);
    user_run.user_rotation.redeploy_workflow().is_some() && started.is_none()
}

/// Whether the open rotation makes the user's first key.
fn is_first_key(seen: &Observation) -> bool {
    let open = seen.journal.known().and_then(|journal| journal.open.as_ref());
    open.is_some_and(OpenRotation::makes_first_key)
}

/// Whether the open rotation has a destination that no merge writes, and that no run has written yet.
fn awaits_delivery(seen: &Observation) -> bool {
    let Some(open) = seen.journal.known().and_then(|journal| journal.open.as_ref()) else { return false };
    let mut stores = open.destinations.iter().filter(|place| place.kind != StorageKind::File);
    stores.any(|place| !open.delivered.contains_key(&place.destination))
}

/// Describes what a rotation that begins will change: files by a pull request, then the stores.
fn describe_rotation(user_run: &UserRun, seen: &Observation, which: &str) -> String {
    let task = &user_run.user_rotation;
    let (mut changed, mut added, mut stores) = (Vec::new(), Vec::new(), Vec::new());
    for destination in &task.destinations {
        let Some((id, kind)) = destination.identity() else { continue };
        let mut name = describe_destination(&id);
        match destination.smtp_password() {
            Some(smtp) if smtp.is_beside_secret => name.push_str(" (with the SMTP password of Amazon SES)"),
            Some(_) => name.push_str(" (the SMTP password of Amazon SES)"),
            None => {}
        }
        let place = seen.destinations.iter().find(|place| place.id == id);
        match kind {
            StorageKind::File if place.is_some_and(|place| place.fingerprint == Observed::Known(None)) => {
                added.push(name);
            }
            StorageKind::File => changed.push(name),
            _ => stores.push(name),
        }
    }
    // A first key replaces none that a file could name
    let replaces = seen.keys.known().is_some_and(|keys| !keys.is_empty());
    let reference = task.destinations.iter().find_map(Destination::as_reference);
    if let Some(reference) = reference.filter(|_| replaces) {
        let globs: Vec<String> = reference.files.iter().map(|glob| format!("`{glob}`")).collect();
        changed.push(format!("the old access key ID in {}", globs.join(", ")));
    }
    let lock = format!("`{}` (lock file)", lock_file_path(&task.user));
    let is_first = seen.journal.known().is_none_or(|journal| journal.recipients.is_none());
    if is_first {
        added.push(lock)
    } else {
        changed.push(lock)
    }
    let parts = [("changes", changed), ("adds", added)].into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect();
    let mut text = format!("create {which} and open a pull request that {}", parts.join(" and "));
    if !stores.is_empty() {
        text.push_str(&format!("; after the merge, update {}", stores.join(", ")));
    }
    if let Some(redeploy) = user_run.user_rotation.redeploy_workflow() {
        text.push_str(&format!("; then start the workflow `{}`", redeploy.workflow.0));
    }
    text
}
