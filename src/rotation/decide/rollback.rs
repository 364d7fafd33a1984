//! The row of a rollback: the old key becomes active again, and the new one is removed from every destination and deleted.

use super::decision::StepDecision;
use super::discard::{disarm_branch, discard_again, discard_key, wait_for_store_writes};
use super::redeployment::redeploy_old_key;
use super::retirement::retire_key;
use super::situation::{HeldKey, Situation};
use crate::rotation::journal::{DestinationSnapshot, OpenRotation, ROLLBACK_REQUESTED, StorageKind};
use crate::rotation::timing::MERGE_LAG;
use crate::rotation::{DestinationId, KeyId, PullRequestState, RotationPhase, RotationStep};

const BACK: RotationPhase = RotationPhase::RollingBack;

/// A rollback, requested or begun: re-activate the old key, take the new one out of every destination, delete it.
pub fn roll_back(case: &Situation<'_>) -> Option<StepDecision> {
    let Some(rotation) = case.open_rotation() else {
        if !case.seen.request.rollback {
            return None;
        }
        return Some(StepDecision::wait(RotationPhase::Blocked, "there is no rotation to roll back"));
    };
    if rotation.rollback.is_none() {
        if !case.seen.request.rollback {
            return None;
        }
        return Some(begin_rollback(case, rotation));
    }
    if let Some(old) = &rotation.old
        && let Some(decision) = restore_old_key(case, rotation, old)
    {
        return Some(decision);
    }
    let Some(new) = rotation.new_key() else {
        // A key that appears after the rollback has ended would stay until a person looks
        if let Some(until) = case.request_settles_at() {
            return Some(
                StepDecision::wait(
                    BACK,
                    "an earlier run may still create or change a key; waiting for its requests to settle",
                )
                .wait_until(until),
            );
        }
        let why = match &rotation.old {
            Some(key) if rotation.retires => {
                format!("the retirement of {key} was cancelled; the key is active")
            }
            _ => "the rotation was cancelled before a new key was created".to_owned(),
        };
        return Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why));
    };
    Some(
        unpublish_new_key(case, rotation, new)
            .or_else(|| redeploy_old_key(case, rotation, new))
            .unwrap_or_else(|| retire_key(case, (BACK, BACK), rotation, new)),
    )
}

/// The old key is active again before anything is taken from a destination. `None`: it is.
fn restore_old_key(case: &Situation<'_>, rotation: &OpenRotation, old: &KeyId) -> Option<StepDecision> {
    let Some(key) = case.find_key(old) else {
        return Some(stop_lost_rollback(case, rotation, old));
    };
    if key.is_active() {
        return None;
    }
    if case.must_stay_out(old) {
        let why = format!("the old key {old} is compromised and inactive; it stays inactive");
        let help = format!("to activate it all the same: {}", case.forced_rollback());
        return Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help));
    }
    // A deletion that was sent cannot be cancelled; it could delete the key after its re-activation
    if let Some(wait) = case.wait_for_pending_changes(old, BACK) {
        return Some(wait);
    }
    let step = RotationStep::Activate { key: old.clone() };
    Some(StepDecision::take_step(BACK, step, "the old key is re-activated first"))
}

/// The old key was deleted during the rollback. A person decides which key the destinations get.
fn stop_lost_rollback(case: &Situation<'_>, rotation: &OpenRotation, old: &KeyId) -> StepDecision {
    if case.was_listed(old) {
        let why =
            format!("two lists of the user's keys differ about {old}; reading them again in the next run");
        return StepDecision::wait(RotationPhase::Unknown, why);
    }
    let why = format!("the old key {old} was deleted before the rollback ended");
    let revert = case.seen.revert_pull_request.known().and_then(Option::as_ref);
    let close = match revert.filter(|revert| revert.is_open()) {
        Some(revert) => format!("close pull request #{}; ", revert.number),
        None => String::new(),
    };
    let stays = match rotation.new_key().and_then(|new| case.find_key(new)) {
        Some(new) => {
            format!("make sure that every destination holds {}, or another key that you create", new.id)
        }
        None => format!(
            "`aws iam create-access-key --user-name {}`, and write that key to the destinations",
            case.seen.user
        ),
    };
    StepDecision::wait(RotationPhase::Quarantined, why)
        .with_help(format!("{close}{stays}; then {}, which ends the rotation", case.command("resume")))
}

/// Begins a requested rollback, if the old key still exists.
fn begin_rollback(case: &Situation<'_>, rotation: &OpenRotation) -> StepDecision {
    if let Some(old) = &rotation.old
        && let Some(decision) = refuse_rollback(case, old)
    {
        return decision;
    }
    let why = ROLLBACK_REQUESTED;
    StepDecision::take_step(BACK, RotationStep::BeginRollback { why: why.to_owned() }, why)
}

/// Why the old key cannot come back, or not yet.
fn refuse_rollback(case: &Situation<'_>, old: &KeyId) -> Option<StepDecision> {
    if case.must_stay_out(old) {
        let why = format!(
            "the old key {old} is marked as compromised; a rollback would give it back to those who have a copy"
        );
        return Some(
            StepDecision::wait(RotationPhase::Blocked, why)
                .with_help(format!("run without `rollback`, or accept that: {}", case.forced_rollback())),
        );
    }
    if let Some(wait) = case.wait_for_pending_changes(old, BACK) {
        return Some(wait);
    }
    if case.find_key(old).is_some() {
        return None;
    }
    let gone = format!("the old key {old} no longer exists, so a rollback is not possible");
    Some(
        StepDecision::wait(RotationPhase::Blocked, gone)
            .with_help("run without `rollback`, which records that"),
    )
}

/// Takes the new key out of the branch, the files and the stores, in this order: a merge of the branch would publish it
/// again, and a file takes a pull request where a store takes one request.
fn unpublish_new_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    // First in the journal: its head moves, so no other run publishes the key from here on
    if rotation.abandoned_at.is_none() {
        let step = RotationStep::AbandonNewKey { key: new.clone(), why: "rolled back".to_owned() };
        return Some(StepDecision::take_step(BACK, step, "the new key is discarded"));
    }
    if let Some(again) = discard_again(case, BACK, rotation, new) {
        return Some(again);
    }
    // Without a test the branch was never created, and waiting for its reset would never end
    if rotation.verified.is_none() {
        return Some(discard_key(case, BACK, new));
    }
    if let Some(decision) = disarm_branch(case, BACK, rotation) {
        return Some(decision);
    }
    if let Some(until) = case.request_settles_at() {
        return Some(
            StepDecision::wait(
                BACK,
                "an earlier run may still change the old key; waiting for its requests to settle",
            )
            .wait_until(until),
        );
    }
    if let Some(wait) = wait_for_store_writes(case, BACK, rotation) {
        return Some(wait);
    }
    if !destinations_with_new_key(case, rotation, StorageKind::File).is_empty() {
        return Some(propose_revert(case));
    }
    // After the files: these stores take one request, and a file waits for a person to merge
    let versioned = destinations_with_new_key(case, rotation, StorageKind::Versioned);
    if !versioned.is_empty() {
        let why = "the stores still hold the new key";
        return Some(StepDecision::take_step(
            BACK,
            RotationStep::RestoreStores { destinations: versioned },
            why,
        ));
    }
    if case.find_key(new).is_none() && !case.was_listed(new) {
        // The new key no longer exists, so what a store holds cannot be used
        return None;
    }
    let unclear = rotation.destinations.iter().find(|frozen| may_hold_new_key(case, rotation, frozen))?;
    let place = &unclear.destination;
    let why = if rotation.makes_first_key() {
        format!("`{place}` may hold {new} and cannot be read: delete the secret by hand, then {new}")
    } else {
        format!(
            "`{place}` may hold the new key and cannot be read: write the old key there by hand, then delete {new}"
        )
    };
    Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why))
}

/// The rotation's destinations of one kind that hold the new key.
fn destinations_with_new_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    kind: StorageKind,
) -> Vec<DestinationId> {
    let mut found = Vec::new();
    for frozen in rotation.destinations.iter().filter(|frozen| frozen.kind == kind) {
        if case.held_key(rotation, frozen) == HeldKey::New {
            found.push(frozen.destination.clone());
        }
    }
    found
}

/// Whether a store that shows no values holds the new key, or a credential of which the journal knows nothing.
pub fn may_hold_new_key(case: &Situation<'_>, rotation: &OpenRotation, frozen: &DestinationSnapshot) -> bool {
    let held = case.held_key(rotation, frozen);
    frozen.kind == StorageKind::Store && matches!(held, HeldKey::New | HeldKey::Foreign)
}

/// The pull request that restores the files.
fn propose_revert(case: &Situation<'_>) -> StepDecision {
    let revert = match case.seen.revert_pull_request.known_or_reason() {
        Err(why) => {
            return StepDecision::wait(
                RotationPhase::Unknown,
                format!("the pull requests could not be read: {why}"),
            );
        }
        Ok(None) => {
            return StepDecision::take_step(
                BACK,
                RotationStep::ProposeRevert,
                "the default branch still holds the new key",
            );
        }
        Ok(Some(revert)) => revert,
    };
    let number = revert.number;
    let is_first = case.open_rotation().is_some_and(OpenRotation::makes_first_key);
    let change =
        if is_first { "takes the new key out of the files" } else { "restores the old key in the files" };
    match revert.state {
        PullRequestState::Open { conflicting: false } => {
            StepDecision::wait(BACK, format!("pull request #{number} {change}: merge it"))
        }
        PullRequestState::Open { conflicting: true } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} {change} and has conflicts"),
        )
        .with_help("resolve them, or restore the old credential by hand"),
        PullRequestState::Closed => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} was closed, and the files still hold the new key"),
        )
        .with_help(format!("`gh pr reopen {number}` and merge it, or restore the old credential by hand")),
        PullRequestState::Merged { at } if case.time_since(at) < MERGE_LAG => StepDecision::wait(
            BACK,
            format!("pull request #{number} is merged; the files do not show the old key yet"),
        )
        .wait_until(at + MERGE_LAG),
        // The revert was itself reverted; to wait for the files would never end
        PullRequestState::Merged { .. } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} restored the old key, and the files hold the new key again"),
        )
        .with_help("restore the old credential by hand"),
    }
}
