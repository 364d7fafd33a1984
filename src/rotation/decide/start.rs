//! The rows of a user without an open rotation: one begins, or none is needed.

use super::decision::StepDecision;
use super::situation::Situation;
use crate::rotation::{ObservedKey, RotationPhase, RotationStep};

/// Begins a rotation of the only active key when the key is old enough or a rotation was requested.
pub fn begin_when_due(case: &Situation<'_>) -> Option<StepDecision> {
    let key = sole_active_key(case)?;
    let asked = case.seen.request.start || case.seen.request.compromised || case.journal.compromised;
    if !case.rules.may_rotate || (case.time_since(key.created) < case.rules.start_at && !asked) {
        return None;
    }
    // The journal records what each destination holds now; without that a rollback could not restore it
    let unread = case.seen.destinations.iter().find(|place| place.fingerprint.known().is_none());
    Some(match (case.seen.preflight.known_or_reason(), unread) {
        (Ok(Err(why)), _) => wait_for_destination(why),
        (_, Some(place)) => StepDecision::wait(RotationPhase::Unknown, case.unreadable_reason(&place.id)),
        (Ok(Ok(())), None) => StepDecision::take_step(
            RotationPhase::Due,
            RotationStep::BeginRotation { key: key.id.clone() },
            start_reason(case, key),
        ),
        (Err(why), None) => StepDecision::wait(
            RotationPhase::Unknown,
            format!("could not check that every destination can take a new key: {why}"),
        ),
    })
}

/// Why a rotation begins: the key's age against the age at which it rotates, or the request.
fn start_reason(case: &Situation<'_>, key: &ObservedKey) -> String {
    let (days, start) = (case.days_since(key.created), case.rules.start_at.as_hours() / 24);
    if case.seen.request.compromised || case.journal.compromised {
        return format!("compromised: {} is replaced now; it is {days} days old", key.id);
    }
    if case.time_since(key.created) < case.rules.start_at {
        return format!("requested: {} is {days} days old (rotates from {start})", key.id);
    }
    format!("{days} days old (rotates from {start})")
}

/// One active key, young enough.
pub fn rest_when_healthy(case: &Situation<'_>) -> Option<StepDecision> {
    let key = sole_active_key(case)?;
    let decision = StepDecision::wait(RotationPhase::Healthy, "one active key, younger than the limit");
    Some(if case.rules.may_rotate {
        decision.wait_until(key.created + case.rules.start_at)
    } else {
        decision
    })
}

/// The key, if every destination can take it.
pub fn create_key_or_wait(case: &Situation<'_>, why: &str) -> StepDecision {
    match case.seen.preflight.known_or_reason() {
        Ok(Ok(())) => StepDecision::take_step(RotationPhase::Claimed, RotationStep::CreateKey, why),
        Ok(Err(why)) => wait_for_destination(why),
        Err(why) => StepDecision::wait(
            RotationPhase::Unknown,
            format!("could not check that every destination can take a new key: {why}"),
        ),
    }
}

/// A destination cannot take a key, and the reason names it.
pub fn wait_for_destination(why: &str) -> StepDecision {
    StepDecision::wait(RotationPhase::Blocked, why)
        .with_help("correct what the reason names; `keytide doctor` checks every destination")
}

fn sole_active_key<'a>(case: &Situation<'a>) -> Option<&'a ObservedKey> {
    match case.keys {
        // Exactly one: IAM permits two keys, so with another one there is no room for the new key
        [key] if case.open_rotation().is_none() && key.is_active() => Some(key),
        _ => None,
    }
}
