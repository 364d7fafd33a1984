//! The way back: a rollback, a new key that was given up; and how any key that was published is taken out of use.

use jiff::Timestamp;

use super::guards::{self, NotReady, RetireCheck};
use super::{HeldKey, Situation, StepDecision};
use crate::rotation::journal::{DestinationSnapshot, OpenRotation, StorageKind};
use crate::rotation::timing::{
    CLAIM_DURATION, LIST_LAG, MERGE_LAG, OWN_TEST_WINDOW, REQUEST_LIFETIME, STORE_LAG, USAGE_REPORT_LAG,
};
use crate::rotation::{
    BranchTip, DestinationId, KeyId, KeyUse, Observed, PullRequestState, RotationPhase, RotationStep,
};

const BACK: RotationPhase = RotationPhase::RollingBack;

/// Asked for, or begun: the old key is active, nothing names the new one, the new one is taken out of use.
pub fn rolling_back(case: &Situation<'_>) -> Option<StepDecision> {
    let Some(rotation) = case.open_rotation() else {
        let none = StepDecision::wait(RotationPhase::Blocked, "there is no rotation to roll back");
        return case.seen.request.rollback.then_some(none);
    };
    if rotation.rollback.is_none() {
        return case.seen.request.rollback.then(|| begin_rollback(case, rotation));
    }
    let Some(old) = case.find_key(&rotation.old) else {
        let gone = StepDecision::wait(
            RotationPhase::Quarantined,
            format!("{} does not exist any more: nothing can go back to it", rotation.old),
        );
        return Some(gone.with_help("go forward: merge the new key again, then `keytide resume`"));
    };
    if !old.is_active() {
        if let Some(wait) = case.wait_for_pending_changes(&rotation.old, BACK) {
            return Some(wait);
        }
        let step = RotationStep::Activate { key: rotation.old.clone() };
        return Some(StepDecision::take_step(BACK, step, "the old key is brought back first"));
    }
    let Some(new) = rotation.new_key() else {
        if let Some(until) = case.request_settles_at() {
            return Some(
                StepDecision::wait(BACK, "a key may still be made by a run before this one")
                    .wait_until(until),
            );
        }
        let why = "the rotation was called off before a key was made".to_owned();
        return Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why));
    };
    Some(unpublish_new_key(case, rotation, new).unwrap_or_else(|| retire_new(case, BACK, rotation, new)))
}

/// A person asked, and the old key is still there to go back to.
fn begin_rollback(case: &Situation<'_>, rotation: &OpenRotation) -> StepDecision {
    if let Some(wait) = case.wait_for_pending_changes(&rotation.old, BACK) {
        return wait;
    }
    if case.find_key(&rotation.old).is_none() {
        let gone = format!("{} does not exist any more: nothing can go back to it", rotation.old);
        return StepDecision::wait(RotationPhase::Blocked, gone)
            .with_help("without `rollback` the rotation goes on");
    }
    let why = "a person asked for it";
    StepDecision::take_step(BACK, RotationStep::BeginRollback { why: why.to_owned() }, why)
}

/// Takes the new key out of the branch, the files and the stores, in this order.
fn unpublish_new_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    if rotation.abandoned_at.is_none() {
        let step = RotationStep::AbandonNewKey { key: new.clone(), why: "rolled back".to_owned() };
        return Some(StepDecision::take_step(BACK, step, "the new key is given up"));
    }
    if let Some(again) = named_again(case, BACK, rotation, new) {
        return Some(again);
    }
    if rotation.verified.is_none() {
        return Some(discard_key(case, BACK, new));
    }
    if let Some(decision) = disarm_branch(case, BACK, rotation) {
        return Some(decision);
    }
    if let Some(until) = case.request_settles_at() {
        return Some(
            StepDecision::wait(BACK, "the old key may still be changed by a run before this one")
                .wait_until(until),
        );
    }
    if let Some(wait) = wait_for_store_writes(case, BACK, rotation) {
        return Some(wait);
    }
    let holding = |kind: StorageKind| -> Vec<DestinationId> {
        let places = rotation.destinations.iter().filter(|frozen| frozen.kind == kind);
        places
            .filter(|frozen| case.held_key(rotation, frozen) == HeldKey::New)
            .map(|frozen| frozen.destination.clone())
            .collect()
    };
    if !holding(StorageKind::File).is_empty() {
        return Some(propose_revert(case));
    }
    let versioned = holding(StorageKind::Versioned);
    if !versioned.is_empty() {
        let why = "the stores get their former version back";
        return Some(StepDecision::take_step(
            BACK,
            RotationStep::RestoreStores { destinations: versioned },
            why,
        ));
    }
    if case.find_key(new).is_none() && !case.was_listed(new) {
        // Whatever a store holds, it is no key of this rotation's that could be used.
        return None;
    }
    let unclear = |frozen: &&DestinationSnapshot| {
        let holds = case.held_key(rotation, frozen);
        frozen.kind == StorageKind::Store && matches!(holds, HeldKey::New | HeldKey::Foreign)
    };
    let why = format!(
        "`{}` may hold the new key and cannot be read back: both keys stay active. Write the old key there by hand, then delete {new}",
        rotation.destinations.iter().find(unclear)?.destination
    );
    Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why))
}

/// Nothing named the key when its deactivation was announced, and something does now: that is begun anew.
fn named_again(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
    new: &KeyId,
) -> Option<StepDecision> {
    let place =
        case.destination_with_new_key(rotation).filter(|_| rotation.retiring.as_ref() == Some(new))?;
    let why = format!("`{}` holds the new key again, which was given up", place.destination);
    Some(StepDecision::take_step(
        phase,
        RotationStep::AbandonNewKey { key: new.clone(), why: why.clone() },
        why,
    ))
}

/// A run that looked before the new key was given up may have sent it to a store. One that compares versions takes it
/// all the same, as long as it holds the version that was read.
fn wait_for_store_writes(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
) -> Option<StepDecision> {
    let lag = |frozen: &DestinationSnapshot| match frozen.kind {
        StorageKind::File => None,
        StorageKind::Store => Some(STORE_LAG),
        StorageKind::Versioned => Some(REQUEST_LIFETIME),
    };
    let until = rotation.abandoned_at? + rotation.destinations.iter().filter_map(lag).max()?;
    let wait = StepDecision::wait(phase, "a request may still be on its way to a store").wait_until(until);
    (until > case.now).then_some(wait)
}

/// The pull request that brings the files back.
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
    match revert.state {
        PullRequestState::Open { conflicting: false } => {
            StepDecision::wait(BACK, format!("pull request #{number} brings the files back: merge it"))
        }
        PullRequestState::Open { conflicting: true } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} brings the files back and has conflicts"),
        )
        .with_help("resolve them, or restore the credential by hand"),
        PullRequestState::Closed => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} was closed, and the files still hold the new key"),
        )
        .with_help("re-open and merge it, or restore the credential by hand"),
        PullRequestState::Merged { at } if case.time_since(at) < MERGE_LAG => StepDecision::wait(
            BACK,
            format!("pull request #{number} is merged, and the files do not show it yet"),
        )
        .wait_until(at + MERGE_LAG),
        PullRequestState::Merged { .. } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} brought the files back, and they hold the new key again"),
        )
        .with_help("restore the old credential by hand"),
    }
}

/// The pull request was closed, or the new key is not fit to be published: it is given up.
pub fn retire_abandoned_key(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    if case.is_merged(rotation) {
        return None;
    }
    if rotation.abandoned_at.is_none() {
        return abandon_new_key(case, rotation, new);
    }
    if let Some(again) = named_again(case, RotationPhase::Closed, rotation, new) {
        return Some(again);
    }
    if let Some(place) = case.destination_with_new_key(rotation) {
        let why = format!("`{}` holds the new key, which was given up", place.destination);
        return Some(
            StepDecision::wait(RotationPhase::Blocked, why)
                .with_help("bring all destinations to the new key, or take it out of this one"),
        );
    }
    if rotation.verified.is_none() {
        return Some(discard_key(case, RotationPhase::Unverified, new));
    }
    disarm_branch(case, RotationPhase::Closed, rotation)
        .or_else(|| wait_for_store_writes(case, RotationPhase::Closed, rotation))
        .or_else(|| Some(retire_new(case, RotationPhase::Closed, rotation, new)))
}

fn abandon_new_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    let tombstone = |why: &str| {
        Some(StepDecision::take_step(
            RotationPhase::Closed,
            RotationStep::AbandonNewKey { key: new.clone(), why: why.to_owned() },
            why,
        ))
    };
    if case.destination_with_new_key(rotation).is_some() {
        return None;
    }
    match case.find_key(new) {
        None if !case.was_listed(new) => return tombstone("the new key was deleted by hand"),
        Some(key) if !key.is_active() => return tombstone("the new key was deactivated by hand"),
        _ => {}
    }
    match case.pull_request()?.state {
        PullRequestState::Closed => tombstone("the pull request was closed without a merge"),
        _ => None,
    }
}

/// The branch must not bring the new key any more.
fn disarm_branch(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
) -> Option<StepDecision> {
    // Before the key was proved no branch was ever asked for.
    rotation.verified?;
    match case.seen.branch.known_or_reason() {
        Ok(BranchTip::Neutral) => None,
        Ok(_) => Some(StepDecision::take_step(
            phase,
            RotationStep::DisarmBranch,
            "the branch would still publish the new key",
        )),
        Err(why) => {
            Some(StepDecision::wait(RotationPhase::Unknown, format!("the branch could not be read: {why}")))
        }
    }
}

/// A key that was never published and whose secret nobody holds.
fn discard_key(case: &Situation<'_>, phase: RotationPhase, new: &KeyId) -> StepDecision {
    let Some(key) = case.find_key(new) else { return note_deleted(case, phase, new) };
    let Observed::Known(used) = &key.last_used else {
        return StepDecision::wait(
            RotationPhase::Unknown,
            format!("the last use of {new} could not be read"),
        );
    };
    // The run that made it may have asked AWS with it.
    let is_own =
        |used: &KeyUse| &*used.service == "sts" && used.at <= key.created + CLAIM_DURATION + OWN_TEST_WINDOW;
    if !used.as_ref().is_none_or(is_own) {
        let why = format!("nobody should hold the secret of {new}, and somebody uses it");
        let help = "find out who; when nobody needs that key, delete it by hand, and the rotation ends";
        return StepDecision::wait(RotationPhase::Blocked, why).with_help(help);
    }
    let told = key.created + USAGE_REPORT_LAG;
    if told > case.now {
        let why = format!("nobody should hold the secret of {new}; whether somebody uses it is known later");
        return StepDecision::wait(phase, why).wait_until(told);
    }
    match case.is_referenced(new) {
        Ok(None) => {
            let step = RotationStep::Discard { key: new.clone(), delete: key.is_inactive() };
            StepDecision::take_step(phase, step, "nobody holds the secret of the new key")
        }
        Ok(Some(why)) | Err(why) => {
            StepDecision::wait(RotationPhase::Blocked, why).with_help("take the key out of there")
        }
    }
}

fn retire_new(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
    new: &KeyId,
) -> StepDecision {
    retire_key(case, (phase, phase), rotation, new)
}

fn note_deleted(case: &Situation<'_>, phase: RotationPhase, key: &KeyId) -> StepDecision {
    if case.was_listed(key) {
        return StepDecision::wait(
            RotationPhase::Unknown,
            format!("two lists of the user's keys differ about {key}"),
        );
    }
    // A rollback ends held, and whatever comes to light then is left to people.
    if let Some(until) = case.request_settles_at().filter(|_| phase == BACK) {
        return StepDecision::wait(phase, "a key may still be made by a run before this one")
            .wait_until(until);
    }
    StepDecision::take_step(phase, RotationStep::NoteDeleted { key: key.clone() }, format!("{key} is gone"))
}

/// Announce, deactivate, note, soak, delete. `phases`: while the key is active, and after.
pub fn retire_key(
    case: &Situation<'_>,
    phases: (RotationPhase, RotationPhase),
    rotation: &OpenRotation,
    id: &KeyId,
) -> StepDecision {
    let Some(key) = case.find_key(id) else { return note_deleted(case, phases.1, id) };
    if let Some(frozen) = case.destination_with_foreign_key(rotation) {
        return hold_foreign_key(case, rotation, frozen);
    }
    let going = RetireCheck { situation: case, rotation, key };
    let announced = rotation.retiring.as_ref() == Some(id);
    if key.is_active() {
        if let Some(since) = rotation.inactive_since.filter(|_| announced) {
            return handle_reactivated_key(case, phases.1, id, since);
        }
        let step = if announced {
            RotationStep::Deactivate { key: id.clone() }
        } else {
            RotationStep::AnnounceRetirement { key: id.clone() }
        };
        return step_when_ready(
            guards::check_all_guards(&case.protocol.retire, &going),
            phases.0,
            step,
            "nothing needs the key any more",
        );
    }
    if !announced {
        return StepDecision::take_step(
            phases.1,
            RotationStep::AnnounceRetirement { key: id.clone() },
            format!("{id} is inactive already"),
        );
    }
    if rotation.inactive_since.is_none() {
        return StepDecision::take_step(
            phases.1,
            RotationStep::NoteInactive { key: id.clone() },
            format!("{id} is inactive"),
        );
    }
    step_when_ready(
        guards::check_all_guards(&case.protocol.delete, &going),
        phases.1,
        RotationStep::Delete { key: id.clone() },
        "nothing missed the key",
    )
}

/// Somebody brought a key back while it was soaking: a person decides, and the soak does not count any more. A list may
/// be late, so that is not believed at once.
fn handle_reactivated_key(
    case: &Situation<'_>,
    phase: RotationPhase,
    id: &KeyId,
    since: Timestamp,
) -> StepDecision {
    if case.time_since(since) < LIST_LAG {
        return StepDecision::wait(phase, format!("a list shows {id} active, which it may have been"))
            .wait_until(since + LIST_LAG);
    }
    let why = format!("somebody re-activated {id} while it was soaking");
    let help = format!(
        "if the application needs it: `keytide rollback --user {0}`; else `keytide resume --user {0} --reason TEXT`",
        case.seen.user
    );
    StepDecision::take_step(RotationPhase::Blocked, RotationStep::Hold { why: why.clone() }, why)
        .with_help(help)
}

/// Somebody else wrote to a destination: which key it holds cannot be told.
fn hold_foreign_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    frozen: &DestinationSnapshot,
) -> StepDecision {
    let why = case.describe_foreign_key(&frozen.destination, "a credential that keytide did not put there");
    let help = match frozen.kind {
        _ if rotation.abandoned_at.is_some() => {
            format!("write {} there by hand, then `keytide rollback --user {}`", rotation.old, case.seen.user)
        }
        StorageKind::File => "restore what the pull request brought, or `keytide rollback`".to_owned(),
        _ => format!("`keytide resume --user {} --reason TEXT` gives it the new key again", case.seen.user),
    };
    StepDecision::wait(RotationPhase::Blocked, why).with_help(help)
}

fn step_when_ready(
    guards: Result<(), NotReady>,
    phase: RotationPhase,
    step: RotationStep,
    why: &str,
) -> StepDecision {
    match guards {
        Ok(()) => StepDecision::take_step(phase, step, why),
        Err(NotReady { why, until }) => StepDecision { until, ..StepDecision::wait(phase, why) },
    }
}
