//! The rows of a user that has no access key and is to get its first one: the path of a rotation without an old key, so
//! nothing is deactivated, soaks or is deleted at its end.
//!
//! A destination may hold nothing, or what a person put there before there was a key. keytide cannot see whose credential
//! a store has that shows no values, so such a store must not exist yet: its write could replace another user's live one.

use super::decision::{Advice, StepDecision};
use super::guards;
use super::retirement::hold_foreign_key;
use super::situation::{HeldKey, NotReady, RetireCheck, Situation};
use super::start::{create_key_or_wait, wait_for_destination};
use crate::rotation::journal::{OpenRotation, StorageKind};
use crate::rotation::{KeyId, RotationPhase, RotationStep};

/// No rotation is under way, the policy file has `rotation`, and the user has no key.
pub fn begin_first_key(case: &Situation<'_>) -> Option<StepDecision> {
    if case.open_rotation().is_some() || !case.rules.may_rotate || !case.keys.is_empty() {
        return None;
    }
    if let Some(wait) = wait_for_lists(case).or_else(|| wait_for_destinations(case)) {
        return Some(wait);
    }
    Some(match case.seen.preflight.known_or_reason() {
        Ok(Ok(())) => StepDecision::take_step(
            RotationPhase::Due,
            RotationStep::BeginFirstKey,
            "the user has no access key; its first one is made",
        ),
        Ok(Err(why)) => wait_for_destination(why),
        Err(why) => StepDecision::wait(
            RotationPhase::Unknown,
            format!("could not check that every destination can take a first key: {why}"),
        ),
    })
}

/// The rotation of a first key has begun, and the key does not exist.
pub fn create_first_key(case: &Situation<'_>, rotation: &OpenRotation) -> StepDecision {
    if let Some(wait) = wait_for_lists(case) {
        return wait;
    }
    // Without an old key IAM's limit of two keys does not stop the second of two requests
    if let Some(until) = case.request_settles_at() {
        let why = "an earlier run may still create a key; waiting for its requests to settle";
        return StepDecision::wait(RotationPhase::Claimed, why).wait_until(until);
    }
    if let Some(wait) = wait_for_destinations(case) {
        return wait;
    }
    // The journal says what they held, and everyone who can push can write it
    let changed = rotation
        .destinations
        .iter()
        .find(|frozen| !matches!(case.held_key(rotation, frozen), HeldKey::Old | HeldKey::Nothing));
    if let Some(frozen) = changed {
        let why = format!("`{}` changed after the rotation began", frozen.destination);
        return StepDecision::wait(RotationPhase::Blocked, why)
            .with_help(format!("see what is there now; {} begins anew with that", case.command("resume")));
    }
    create_key_or_wait(case, "the user has no key, and every destination can take its first one")
}

/// Both lists must be empty: a key that one of them shows may be made in this minute.
fn wait_for_lists(case: &Situation<'_>) -> Option<StepDecision> {
    let is_empty = case.keys.is_empty() && case.seen.listed.known().is_some_and(|listed| listed.is_empty());
    if is_empty {
        return None;
    }
    let why = "two lists of the user's keys differ; reading them again in the next run";
    Some(StepDecision::wait(RotationPhase::Unknown, why))
}

/// What the destinations hold must be known, and a store that shows no values must not exist.
fn wait_for_destinations(case: &Situation<'_>) -> Option<StepDecision> {
    if let Some(place) = case.seen.destinations.iter().find(|place| place.fingerprint.known().is_none()) {
        return Some(StepDecision::wait(RotationPhase::Unknown, case.unreadable_reason(&place.id)));
    }
    let filled = case.seen.destinations.iter().find(|place| {
        place.kind == StorageKind::Store && place.fingerprint.known().is_some_and(Option::is_some)
    })?;
    let why = format!("`{}` may hold another user's key: keytide cannot see what is there", filled.id);
    let help = "if nothing needs it, delete it: keytide makes it anew; otherwise correct the destination";
    Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help))
}

/// Every destination holds the first key: the rotation ends once it is in use.
pub fn await_first_use(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> StepDecision {
    if let Some(frozen) = case.destination_with_foreign_key(rotation) {
        return hold_foreign_key(case, rotation, frozen);
    }
    let Some(key) = case.find_key(new) else {
        let why = format!("the first key {new} no longer exists");
        return StepDecision::wait(RotationPhase::Quarantined, why)
            .with_help(format!("take it out of the destinations: {}", case.command("rollback")));
    };
    let going = RetireCheck { situation: case, rotation, key };
    match guards::check_first_use(&going) {
        Ok(()) => StepDecision::take_step(
            RotationPhase::Grace,
            RotationStep::Complete,
            format!("every destination holds {new}, and it is in use"),
        ),
        Err(NotReady { why, until, help }) => StepDecision {
            until,
            help: help.map(Advice::ask),
            ..StepDecision::wait(RotationPhase::Grace, why)
        },
    }
}
