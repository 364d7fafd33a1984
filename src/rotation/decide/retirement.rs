//! The way back: a rollback, a new key that was given up; and how any key that was published is taken out of use.

use jiff::{SignedDuration, Timestamp};

use super::authorization::CLAIM;
use super::guards::{self, Going, NotYet, OWN_USE, USE_LAG};
use super::progress::{MERGE_LAG, STORE_LAG};
use super::{Case, Decision, Holds};
use crate::rotation::journal::{Frozen, PlaceKind, REQUEST_LIFE, Rotation};
use crate::rotation::{BranchTip, Datum, KeyId, Phase, PlaceId, PullState, Step, Use};

const BACK: Phase = Phase::RollingBack;
/// How late a list of keys may be.
const LIST_LAG: SignedDuration = SignedDuration::from_hours(1);

/// Asked for, or begun: the old key is active, nothing names the new one, the new one is taken out of use.
pub fn rolling_back(case: &Case<'_>) -> Option<Decision> {
    let Some(rotation) = case.open() else {
        let none = Decision::wait(Phase::Blocked, "there is no rotation to roll back");
        return case.seen.asked.rollback.then_some(none);
    };
    if rotation.rollback.is_none() {
        return case.seen.asked.rollback.then(|| begin(case, rotation));
    }
    let Some(old) = case.key(&rotation.old) else {
        let gone = Decision::wait(
            Phase::Quarantined,
            format!("{} does not exist any more: nothing can go back to it", rotation.old),
        );
        return Some(gone.help("go forward: merge the new key again, then `keytide resume`"));
    };
    if !old.is_active() {
        if let Some(wait) = case.may_vanish(&rotation.old, BACK) {
            return Some(wait);
        }
        let step = Step::Activate { key: rotation.old.clone() };
        return Some(Decision::take(BACK, step, "the old key is brought back first"));
    }
    let Some(new) = rotation.new_key() else {
        if let Some(until) = case.pending() {
            return Some(
                Decision::wait(BACK, "a key may still be made by a run before this one").until(until),
            );
        }
        let why = "the rotation was called off before a key was made".to_owned();
        return Some(Decision::take(BACK, Step::Hold { why: why.clone() }, why));
    };
    Some(unpublish(case, rotation, new).unwrap_or_else(|| retire_new(case, BACK, rotation, new)))
}

/// A person asked, and the old key is still there to go back to.
fn begin(case: &Case<'_>, rotation: &Rotation) -> Decision {
    if let Some(wait) = case.may_vanish(&rotation.old, BACK) {
        return wait;
    }
    if case.key(&rotation.old).is_none() {
        let gone = format!("{} does not exist any more: nothing can go back to it", rotation.old);
        return Decision::wait(Phase::Blocked, gone).help("without `rollback` the rotation goes on");
    }
    let why = "a person asked for it";
    Decision::take(BACK, Step::BeginRollback { why: why.to_owned() }, why)
}

/// Takes the new key out of the branch, the files and the stores, in this order.
fn unpublish(case: &Case<'_>, rotation: &Rotation, new: &KeyId) -> Option<Decision> {
    if rotation.tombstone.is_none() {
        let step = Step::Tombstone { key: new.clone(), why: "rolled back".to_owned() };
        return Some(Decision::take(BACK, step, "the new key is given up"));
    }
    if let Some(again) = named_again(case, BACK, rotation, new) {
        return Some(again);
    }
    if rotation.verified.is_none() {
        return Some(discard(case, BACK, new));
    }
    if let Some(decision) = neutralize(case, BACK, rotation) {
        return Some(decision);
    }
    if let Some(until) = case.pending() {
        return Some(
            Decision::wait(BACK, "the old key may still be changed by a run before this one").until(until),
        );
    }
    if let Some(wait) = store_lag(case, BACK, rotation) {
        return Some(wait);
    }
    let holding = |kind: PlaceKind| -> Vec<PlaceId> {
        let places = rotation.places.iter().filter(|frozen| frozen.kind == kind);
        places
            .filter(|frozen| case.holds(rotation, frozen) == Holds::New)
            .map(|frozen| frozen.place.clone())
            .collect()
    };
    if !holding(PlaceKind::File).is_empty() {
        return Some(revert(case));
    }
    let versioned = holding(PlaceKind::Versioned);
    if !versioned.is_empty() {
        let why = "the stores get their former version back";
        return Some(Decision::take(BACK, Step::MoveBack { places: versioned }, why));
    }
    if case.key(new).is_none() && !case.was_listed(new) {
        // Whatever a store holds, it is no key of this rotation's that could be used.
        return None;
    }
    let unclear = |frozen: &&Frozen| {
        let holds = case.holds(rotation, frozen);
        frozen.kind == PlaceKind::Store && matches!(holds, Holds::New | Holds::Foreign)
    };
    let why = format!(
        "`{}` may hold the new key and cannot be read back: both keys stay active. Write the old key there by hand, then delete {new}",
        rotation.places.iter().find(unclear)?.place
    );
    Some(Decision::take(BACK, Step::Hold { why: why.clone() }, why))
}

/// Nothing named the key when its deactivation was announced, and something does now: that is begun anew.
fn named_again(case: &Case<'_>, phase: Phase, rotation: &Rotation, new: &KeyId) -> Option<Decision> {
    let place = case.somewhere_new(rotation).filter(|_| rotation.retiring.as_ref() == Some(new))?;
    let why = format!("`{}` holds the new key again, which was given up", place.place);
    Some(Decision::take(phase, Step::Tombstone { key: new.clone(), why: why.clone() }, why))
}

/// A run that looked before the new key was given up may have sent it to a store. One that compares versions takes it
/// all the same, as long as it holds the version that was read.
fn store_lag(case: &Case<'_>, phase: Phase, rotation: &Rotation) -> Option<Decision> {
    let lag = |frozen: &Frozen| match frozen.kind {
        PlaceKind::File => None,
        PlaceKind::Store => Some(STORE_LAG),
        PlaceKind::Versioned => Some(REQUEST_LIFE),
    };
    let until = rotation.tombstone? + rotation.places.iter().filter_map(lag).max()?;
    let wait = Decision::wait(phase, "a request may still be on its way to a store").until(until);
    (until > case.now).then_some(wait)
}

/// The pull request that brings the files back.
fn revert(case: &Case<'_>) -> Decision {
    let revert = match case.seen.revert.read() {
        Err(why) => {
            return Decision::wait(Phase::Unknown, format!("the pull requests could not be read: {why}"));
        }
        Ok(None) => {
            return Decision::take(BACK, Step::ProposeRevert, "the default branch still holds the new key");
        }
        Ok(Some(revert)) => revert,
    };
    let number = revert.number;
    match revert.state {
        PullState::Open { conflicting: false } => {
            Decision::wait(BACK, format!("pull request #{number} brings the files back: merge it"))
        }
        PullState::Open { conflicting: true } => Decision::wait(
            Phase::Blocked,
            format!("pull request #{number} brings the files back and has conflicts"),
        )
        .help("resolve them, or restore the credential by hand"),
        PullState::Closed => Decision::wait(
            Phase::Blocked,
            format!("pull request #{number} was closed, and the files still hold the new key"),
        )
        .help("re-open and merge it, or restore the credential by hand"),
        PullState::Merged { at } if case.since(at) < MERGE_LAG => Decision::wait(
            BACK,
            format!("pull request #{number} is merged, and the files do not show it yet"),
        )
        .until(at + MERGE_LAG),
        PullState::Merged { .. } => Decision::wait(
            Phase::Blocked,
            format!("pull request #{number} brought the files back, and they hold the new key again"),
        )
        .help("restore the old credential by hand"),
    }
}

/// The pull request was closed, or the new key is not fit to be published: it is given up.
pub fn given_up(case: &Case<'_>) -> Option<Decision> {
    let (rotation, new) = case.staged()?;
    if case.is_merged(rotation) {
        return None;
    }
    if rotation.tombstone.is_none() {
        return give_up(case, rotation, new);
    }
    if let Some(again) = named_again(case, Phase::Closed, rotation, new) {
        return Some(again);
    }
    if let Some(place) = case.somewhere_new(rotation) {
        let why = format!("`{}` holds the new key, which was given up", place.place);
        return Some(
            Decision::wait(Phase::Blocked, why)
                .help("bring all destinations to the new key, or take it out of this one"),
        );
    }
    if rotation.verified.is_none() {
        return Some(discard(case, Phase::Unverified, new));
    }
    neutralize(case, Phase::Closed, rotation)
        .or_else(|| store_lag(case, Phase::Closed, rotation))
        .or_else(|| Some(retire_new(case, Phase::Closed, rotation, new)))
}

fn give_up(case: &Case<'_>, rotation: &Rotation, new: &KeyId) -> Option<Decision> {
    let tombstone = |why: &str| {
        Some(Decision::take(Phase::Closed, Step::Tombstone { key: new.clone(), why: why.to_owned() }, why))
    };
    if case.somewhere_new(rotation).is_some() {
        return None;
    }
    match case.key(new) {
        None if !case.was_listed(new) => return tombstone("the new key was deleted by hand"),
        Some(key) if !key.is_active() => return tombstone("the new key was deactivated by hand"),
        _ => {}
    }
    match case.proposal()?.state {
        PullState::Closed => tombstone("the pull request was closed without a merge"),
        _ => None,
    }
}

/// The branch must not bring the new key any more.
fn neutralize(case: &Case<'_>, phase: Phase, rotation: &Rotation) -> Option<Decision> {
    // Before the key was proved no branch was ever asked for.
    rotation.verified?;
    match case.seen.branch.read() {
        Ok(BranchTip::Neutral) => None,
        Ok(_) => Some(Decision::take(phase, Step::Neutralize, "the branch would still publish the new key")),
        Err(why) => Some(Decision::wait(Phase::Unknown, format!("the branch could not be read: {why}"))),
    }
}

/// A key that was never published and whose secret nobody holds.
fn discard(case: &Case<'_>, phase: Phase, new: &KeyId) -> Decision {
    let Some(key) = case.key(new) else { return note_deleted(case, phase, new) };
    let Datum::Known(used) = &key.last_used else {
        return Decision::wait(Phase::Unknown, format!("the last use of {new} could not be read"));
    };
    // The run that made it may have asked AWS with it.
    let is_own = |used: &Use| &*used.service == "sts" && used.at <= key.created + CLAIM + OWN_USE;
    if !used.as_ref().is_none_or(is_own) {
        let why = format!("nobody should hold the secret of {new}, and somebody uses it");
        let help = "find out who; when nobody needs that key, delete it by hand, and the rotation ends";
        return Decision::wait(Phase::Blocked, why).help(help);
    }
    let told = key.created + USE_LAG;
    if told > case.now {
        let why = format!("nobody should hold the secret of {new}; whether somebody uses it is known later");
        return Decision::wait(phase, why).until(told);
    }
    match case.is_referenced(new) {
        Ok(None) => {
            let step = Step::Discard { key: new.clone(), delete: key.is_inactive() };
            Decision::take(phase, step, "nobody holds the secret of the new key")
        }
        Ok(Some(why)) | Err(why) => Decision::wait(Phase::Blocked, why).help("take the key out of there"),
    }
}

fn retire_new(case: &Case<'_>, phase: Phase, rotation: &Rotation, new: &KeyId) -> Decision {
    retire(case, (phase, phase), rotation, new)
}

fn note_deleted(case: &Case<'_>, phase: Phase, key: &KeyId) -> Decision {
    if case.was_listed(key) {
        return Decision::wait(Phase::Unknown, format!("two lists of the user's keys differ about {key}"));
    }
    // A rollback ends held, and whatever comes to light then is left to people.
    if let Some(until) = case.pending().filter(|_| phase == BACK) {
        return Decision::wait(phase, "a key may still be made by a run before this one").until(until);
    }
    Decision::take(phase, Step::NoteDeleted { key: key.clone() }, format!("{key} is gone"))
}

/// Announce, deactivate, note, soak, delete. `phases`: while the key is active, and after.
pub fn retire(case: &Case<'_>, phases: (Phase, Phase), rotation: &Rotation, id: &KeyId) -> Decision {
    let Some(key) = case.key(id) else { return note_deleted(case, phases.1, id) };
    if let Some(frozen) = case.somewhere_foreign(rotation) {
        return foreign(case, rotation, frozen);
    }
    let going = Going { case, rotation, key };
    let announced = rotation.retiring.as_ref() == Some(id);
    if key.is_active() {
        if let Some(since) = rotation.inactive_since.filter(|_| announced) {
            return reactivated(case, phases.1, id, since);
        }
        let step =
            if announced { Step::Deactivate { key: id.clone() } } else { Step::Retire { key: id.clone() } };
        return when(
            guards::all(&case.protocol.retire, &going),
            phases.0,
            step,
            "nothing needs the key any more",
        );
    }
    if !announced {
        return Decision::take(
            phases.1,
            Step::Retire { key: id.clone() },
            format!("{id} is inactive already"),
        );
    }
    if rotation.inactive_since.is_none() {
        return Decision::take(phases.1, Step::NoteInactive { key: id.clone() }, format!("{id} is inactive"));
    }
    when(
        guards::all(&case.protocol.delete, &going),
        phases.1,
        Step::Delete { key: id.clone() },
        "nothing missed the key",
    )
}

/// Somebody brought a key back while it was soaking: a person decides, and the soak does not count any more. A list may
/// be late, so that is not believed at once.
fn reactivated(case: &Case<'_>, phase: Phase, id: &KeyId, since: Timestamp) -> Decision {
    if case.since(since) < LIST_LAG {
        return Decision::wait(phase, format!("a list shows {id} active, which it may have been"))
            .until(since + LIST_LAG);
    }
    let why = format!("somebody re-activated {id} while it was soaking");
    let help = format!(
        "if the application needs it: `keytide rollback --user {0}`; else `keytide resume --user {0} --reason TEXT`",
        case.seen.user
    );
    Decision::take(Phase::Blocked, Step::Hold { why: why.clone() }, why).help(help)
}

/// Somebody else wrote to a destination: which key it holds cannot be told.
fn foreign(case: &Case<'_>, rotation: &Rotation, frozen: &Frozen) -> Decision {
    let why = case.told(&frozen.place, "a credential that keytide did not put there");
    let help = match frozen.kind {
        _ if rotation.tombstone.is_some() => {
            format!("write {} there by hand, then `keytide rollback --user {}`", rotation.old, case.seen.user)
        }
        PlaceKind::File => "restore what the pull request brought, or `keytide rollback`".to_owned(),
        _ => format!("`keytide resume --user {} --reason TEXT` gives it the new key again", case.seen.user),
    };
    Decision::wait(Phase::Blocked, why).help(help)
}

fn when(guards: Result<(), NotYet>, phase: Phase, step: Step, why: &str) -> Decision {
    match guards {
        Ok(()) => Decision::take(phase, step, why),
        Err(NotYet { why, until }) => Decision { until, ..Decision::wait(phase, why) },
    }
}
