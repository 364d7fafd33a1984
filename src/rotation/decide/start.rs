//! No rotation is under way: one begins, or none is needed.

use super::{Case, Decision};
use crate::rotation::{Key, Phase, Step};

/// One active key, old enough, or a person asked.
pub fn due(case: &Case<'_>) -> Option<Decision> {
    let key = only(case)?;
    let asked = case.seen.asked.start || case.seen.asked.compromised || case.journal.compromised;
    if !case.rules.may_rotate || (case.since(key.created) < case.rules.start_at && !asked) {
        return None;
    }
    let unread = case.seen.places.iter().find(|place| place.marker.known().is_none());
    Some(match (case.seen.preflight.read(), unread) {
        (Ok(Err(why)), _) => Decision::wait(Phase::Blocked, why.clone()),
        (_, Some(place)) => Decision::wait(Phase::Unknown, case.unread(&place.id)),
        (Ok(Ok(())), None) => {
            Decision::take(Phase::Due, Step::Begin { key: key.id.clone() }, "the key is old enough")
        }
        (Err(why), None) => Decision::wait(
            Phase::Unknown,
            format!("whether a new key could be put everywhere is not known: {why}"),
        ),
    })
}

/// One active key, young enough.
pub fn healthy(case: &Case<'_>) -> Option<Decision> {
    let key = only(case)?;
    let decision = Decision::wait(Phase::Healthy, "one active key, younger than the limit");
    Some(if case.rules.may_rotate { decision.until(key.created + case.rules.start_at) } else { decision })
}

fn only<'a>(case: &Case<'a>) -> Option<&'a Key> {
    match case.keys {
        [key] if case.open().is_none() && key.is_active() => Some(key),
        _ => None,
    }
}
