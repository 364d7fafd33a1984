//! No rotation is under way: one begins, or none is needed.

use super::{Situation, StepDecision};
use crate::rotation::{ObservedKey, RotationPhase, RotationStep};

/// One active key, old enough, or a person asked.
pub fn begin_when_due(case: &Situation<'_>) -> Option<StepDecision> {
    let key = sole_active_key(case)?;
    let asked = case.seen.request.start || case.seen.request.compromised || case.journal.compromised;
    if !case.rules.may_rotate || (case.time_since(key.created) < case.rules.start_at && !asked) {
        return None;
    }
    let unread = case.seen.destinations.iter().find(|place| place.fingerprint.known().is_none());
    Some(match (case.seen.preflight.known_or_reason(), unread) {
        (Ok(Err(why)), _) => StepDecision::wait(RotationPhase::Blocked, why.clone()),
        (_, Some(place)) => StepDecision::wait(RotationPhase::Unknown, case.unreadable_reason(&place.id)),
        (Ok(Ok(())), None) => StepDecision::take_step(
            RotationPhase::Due,
            RotationStep::BeginRotation { key: key.id.clone() },
            "the key is old enough",
        ),
        (Err(why), None) => StepDecision::wait(
            RotationPhase::Unknown,
            format!("whether a new key could be put everywhere is not known: {why}"),
        ),
    })
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

fn sole_active_key<'a>(case: &Situation<'a>) -> Option<&'a ObservedKey> {
    match case.keys {
        [key] if case.open_rotation().is_none() && key.is_active() => Some(key),
        _ => None,
    }
}
