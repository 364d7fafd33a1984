//! The rows of a rotation that goes well, in their order.

use jiff::SignedDuration;

use super::retirement::retire;
use super::{Case, Decision, Holds};
use crate::rotation::journal::{PlaceKind, Rotation};
use crate::rotation::{KeyId, Phase, PlaceId, PullState, Step};

/// A default branch that does not show a merge after so long has been reverted.
pub const MERGE_LAG: SignedDuration = SignedDuration::from_hours(1);
/// A store without a compare-and-swap may still be written by a request that was sent so long ago.
pub const STORE_LAG: SignedDuration = SignedDuration::from_mins(10);

/// A person says so while the rotation is under way: later runs must know it too.
pub fn compromised(case: &Case<'_>) -> Option<Decision> {
    let rotation = case.open().filter(|rotation| !rotation.compromised)?;
    let phase = if rotation.staged.is_some() { Phase::Proposed } else { Phase::Claimed };
    let why = "a person says that the old key is in wrong hands";
    case.seen.asked.compromised.then(|| Decision::take(phase, Step::NoteCompromised, why))
}

/// The rotation has begun and no new key exists.
pub fn claimed(case: &Case<'_>) -> Option<Decision> {
    let rotation = case.open().filter(|rotation| rotation.staged.is_none())?;
    if !case.rules.may_rotate {
        let why = "the policy file no longer lets the user be rotated".to_owned();
        return Some(Decision::take(Phase::Claimed, Step::BeginRollback { why: why.clone() }, why));
    }
    let listed = case.seen.listed.known()?;
    let only = listed.len() == 1 && listed.contains(&rotation.old);
    match case.keys {
        [key] if only && key.id == rotation.old && key.is_active() => Some(issue(case)),
        [] => Some(
            Decision::wait(Phase::Blocked, format!("{} was deleted by hand", rotation.old))
                .help(format!(
                    "create a key by hand, put it into the destinations, then `keytide resume --user {} --reason TEXT`",
                    case.seen.user
                )),
        ),
        [key] if key.id == rotation.old && only => Some(
            Decision::wait(Phase::Blocked, format!("{} was deactivated by hand", key.id)).help("activate it"),
        ),
        _ => Some(Decision::wait(Phase::Unknown, "the lists of the user's keys differ")),
    }
}

fn issue(case: &Case<'_>) -> Decision {
    match case.seen.preflight.read() {
        Ok(Ok(())) => Decision::take(
            Phase::Claimed,
            Step::Issue,
            "there is one key, and a new one can be put everywhere",
        ),
        Ok(Err(why)) => Decision::wait(Phase::Blocked, why.clone()),
        Err(why) => Decision::wait(
            Phase::Unknown,
            format!("whether a new key could be put everywhere is not known: {why}"),
        ),
    }
}

/// The new key is kept, and the run died before AWS was seen to accept it.
pub fn unverified(case: &Case<'_>) -> Option<Decision> {
    let (rotation, new) = case.staged()?;
    let waits = rotation.verified.is_none() && rotation.tombstone.is_none();
    let why = "the run died before it proved the new key";
    let step = Step::Tombstone { key: new.clone(), why: why.to_owned() };
    waits.then(|| Decision::take(Phase::Unverified, step, why))
}

/// The pull request is due, open, in conflict, or merged without the default branch showing it.
pub fn proposed(case: &Case<'_>) -> Option<Decision> {
    let (rotation, new) = case.staged()?;
    if case.is_merged(rotation) {
        return None;
    }
    if case.key(new).is_none() {
        let why = format!("two lists of the user's keys differ about {new}");
        return Some(Decision::wait(Phase::Unknown, why));
    }
    let proposal = match case.seen.proposal.read() {
        Err(why) => {
            return Some(Decision::wait(
                Phase::Unknown,
                format!("the pull request could not be read: {why}"),
            ));
        }
        Ok(None) => {
            return Some(Decision::take(
                Phase::Proposed,
                Step::Propose,
                "the new key is kept, and there is no pull request",
            ));
        }
        Ok(Some(proposal)) => proposal,
    };
    let number = proposal.number;
    match proposal.state {
        PullState::Open { conflicting: true } => {
            let why = format!("pull request #{number} has conflicts");
            Some(Decision::take(Phase::Conflicting, Step::Rebase { pull_request: number }, why))
        }
        PullState::Open { conflicting: false } => {
            Some(Decision::wait(Phase::Proposed, format!("pull request #{number} waits for its merge")))
        }
        PullState::Closed => None,
        PullState::Merged { at } => Some(merged_but_not_there(case, rotation, number, at)),
    }
}

fn merged_but_not_there(case: &Case<'_>, rotation: &Rotation, number: u64, at: jiff::Timestamp) -> Decision {
    let lacking = case.places(rotation, true).find(|(_, holds)| *holds != Holds::New);
    let place = lacking.map_or_else(|| "the default branch".into(), |(frozen, _)| frozen.place.clone());
    if let Some((unread, _)) = case.places(rotation, true).find(|(_, holds)| *holds == Holds::Unread) {
        return Decision::wait(Phase::Unknown, case.unread(&unread.place));
    }
    if case.since(at) < MERGE_LAG {
        return Decision::wait(
            Phase::Merged,
            format!("pull request #{number} is merged, and `{place}` does not show it yet"),
        )
        .until(at + MERGE_LAG);
    }
    if case.places(rotation, true).all(|(_, holds)| holds == Holds::Old) {
        let why = format!("somebody reverted pull request #{number}");
        return Decision::take(Phase::RollingBack, Step::BeginRollback { why: why.clone() }, why);
    }
    Decision::wait(
        Phase::Blocked,
        format!("pull request #{number} is merged, and {}", case.told(&place, "another credential")),
    )
    .help("restore what the pull request brought, or `keytide rollback`")
}

/// The files are on the default branch: now the stores.
pub fn merged(case: &Case<'_>) -> Option<Decision> {
    let (rotation, new) = case.staged()?;
    if rotation.distributed.is_some() {
        return None;
    }
    if let Some(decision) = unfit(case, new) {
        return Some(decision);
    }
    let stores: Vec<(PlaceId, Holds)> =
        case.places(rotation, false).map(|(frozen, holds)| (frozen.place.clone(), holds)).collect();
    if let Some((place, _)) = stores.iter().find(|(_, holds)| *holds == Holds::Unread) {
        return Some(Decision::wait(Phase::Unknown, case.unread(place)));
    }
    let lacking: Vec<PlaceId> =
        stores.iter().filter(|(_, holds)| *holds != Holds::New).map(|(place, _)| place.clone()).collect();
    let (refused, open): (Vec<PlaceId>, Vec<PlaceId>) =
        lacking.into_iter().partition(|place| rotation.refused.contains_key(place));
    if !open.is_empty() {
        return Some(Decision::take(Phase::Merged, Step::Deliver { places: open }, "the files are merged"));
    }
    if let Some(place) = refused.first() {
        return Some(refusal(rotation, place));
    }
    Some(distribute(case, rotation))
}

/// A key is active before anything names it.
fn unfit(case: &Case<'_>, new: &KeyId) -> Option<Decision> {
    let Some(key) = case.key(new) else {
        let why = format!("{new} is to be delivered, and does not exist any more");
        return Some(
            Decision::wait(Phase::Quarantined, why).help("`keytide rollback` goes back to the old key"),
        );
    };
    let step = Step::Activate { key: new.clone() };
    (!key.is_active())
        .then(|| Decision::take(Phase::Merged, step, format!("{new} is inactive, and about to be named")))
}

/// A store that refuses for good: back if no store took the new key yet, else forward with the rest.
fn refusal(rotation: &Rotation, place: &PlaceId) -> Decision {
    let said = rotation.refused.get(place).map_or("", String::as_str);
    if rotation.delivered.is_empty() {
        let why = format!("`{place}` refuses the new key ({said}), and no store has taken it");
        return Decision::take(Phase::Merged, Step::BeginRollback { why: why.clone() }, why);
    }
    Decision::wait(
        Phase::Blocked,
        format!("`{place}` refuses the new key ({said}); the other destinations hold it"),
    )
    .help("mend the permission or the public key, then `keytide resume`: the old key stays active until then")
}

/// Every destination holds the new key. Where a late request could still change a store, that is waited for.
fn distribute(case: &Case<'_>, rotation: &Rotation) -> Decision {
    let late = rotation.places.iter().filter(|frozen| frozen.kind == PlaceKind::Store);
    let last = late.filter_map(|frozen| rotation.delivered.get(&frozen.place)).map(|(_, at)| *at).max();
    match last {
        Some(at) if case.since(at) < STORE_LAG => {
            Decision::wait(Phase::Merged, "a request may still be on its way to a store")
                .until(at + STORE_LAG)
        }
        _ => Decision::take(Phase::Merged, Step::Distribute, "every destination holds the new key"),
    }
}

/// Both keys are active; the old one goes when nothing needs it.
pub fn grace(case: &Case<'_>) -> Option<Decision> {
    let (rotation, _) = case.staged()?;
    let active = case.key(&rotation.old).is_some_and(crate::rotation::Key::is_active);
    active.then(|| retire(case, (Phase::Grace, Phase::Soaking), rotation, &rotation.old))
}

/// The old key is inactive, or gone.
pub fn soaking(case: &Case<'_>) -> Option<Decision> {
    let (rotation, _) = case.staged()?;
    Some(retire(case, (Phase::Grace, Phase::Soaking), rotation, &rotation.old))
}
