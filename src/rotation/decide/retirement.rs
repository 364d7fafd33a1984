//! The rows of a rollback and of a discarded new key, and the retirement of every key that was once published.

use jiff::Timestamp;

use super::decision::StepDecision;
use super::guards;
use super::situation::{HeldKey, NotReady, RetireCheck, Situation, format_day, format_moment};
use crate::rotation::journal::{DestinationSnapshot, OpenRotation, StorageKind};
use crate::rotation::timing::{
    CLAIM_DURATION, LIST_LAG, MERGE_LAG, OWN_TEST_WINDOW, REQUEST_LIFETIME, STORE_LAG, USAGE_REPORT_LAG,
};
use crate::rotation::{
    BranchTip, DestinationId, KeyId, KeyUse, Observed, PullRequestState, RotationPhase, RotationStep,
};

const BACK: RotationPhase = RotationPhase::RollingBack;

/// A rollback, requested or begun: re-activate the old key, take the new one out of every destination, delete it.
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
            format!("the old key {} no longer exists, so a rollback is not possible", rotation.old),
        );
        return Some(
            gone.with_help(format!("keep the new key: merge it again, then {}", case.command("resume"))),
        );
    };
    if !old.is_active() {
        if let Some(wait) = case.wait_for_pending_changes(&rotation.old, BACK) {
            return Some(wait);
        }
        let step = RotationStep::Activate { key: rotation.old.clone() };
        return Some(StepDecision::take_step(BACK, step, "the old key is re-activated first"));
    }
    let Some(new) = rotation.new_key() else {
        if let Some(until) = case.request_settles_at() {
            return Some(
                StepDecision::wait(
                    BACK,
                    "an earlier run may still create a key; waiting for its requests to settle",
                )
                .wait_until(until),
            );
        }
        let why = "the rotation was cancelled before a new key was created".to_owned();
        return Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why));
    };
    Some(unpublish_new_key(case, rotation, new).unwrap_or_else(|| retire_new(case, BACK, rotation, new)))
}

/// Begins a requested rollback, if the old key still exists.
fn begin_rollback(case: &Situation<'_>, rotation: &OpenRotation) -> StepDecision {
    if let Some(wait) = case.wait_for_pending_changes(&rotation.old, BACK) {
        return wait;
    }
    if case.find_key(&rotation.old).is_none() {
        let gone = format!("the old key {} no longer exists, so a rollback is not possible", rotation.old);
        return StepDecision::wait(RotationPhase::Blocked, gone)
            .with_help("run without `rollback` to finish the rotation");
    }
    let why = "a rollback was requested";
    StepDecision::take_step(BACK, RotationStep::BeginRollback { why: why.to_owned() }, why)
}

/// Takes the new key out of the branch, the files and the stores, in this order: a merge of the branch would publish it
/// again, and a file takes a pull request where a store takes one request.
fn unpublish_new_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    if rotation.abandoned_at.is_none() {
        let step = RotationStep::AbandonNewKey { key: new.clone(), why: "rolled back".to_owned() };
        return Some(StepDecision::take_step(BACK, step, "the new key is discarded"));
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
        let why = "the stores still hold the new key";
        return Some(StepDecision::take_step(
            BACK,
            RotationStep::RestoreStores { destinations: versioned },
            why,
        ));
    }
    if case.find_key(new).is_none() && !case.was_listed(new) {
        // why: the new key no longer exists, so what a store holds cannot be used
        return None;
    }
    let unclear = |frozen: &&DestinationSnapshot| {
        let holds = case.held_key(rotation, frozen);
        frozen.kind == StorageKind::Store && matches!(holds, HeldKey::New | HeldKey::Foreign)
    };
    let why = format!(
        "`{}` may hold the new key and cannot be read: both keys stay active. Write the old key to it by hand, then delete {new}",
        rotation.destinations.iter().find(unclear)?.destination
    );
    Some(StepDecision::take_step(BACK, RotationStep::Hold { why: why.clone() }, why))
}

/// A destination holds the new key again after its deactivation was announced: discard it anew.
fn named_again(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
    new: &KeyId,
) -> Option<StepDecision> {
    let place =
        case.destination_with_new_key(rotation).filter(|_| rotation.retiring.as_ref() == Some(new))?;
    let why = format!("`{}` holds the new key {new} again, which was discarded", place.destination);
    Some(StepDecision::take_step(
        phase,
        RotationStep::AbandonNewKey { key: new.clone(), why: why.clone() },
        why,
    ))
}

/// Waits for writes that a run sent before the new key was discarded. A store that compares versions accepts such a write
/// too, as long as it holds the version that was read.
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
    let wait = StepDecision::wait(phase, wait_for_writes_reason(rotation)).wait_until(until);
    (until > case.now).then_some(wait)
}

/// Names how long writes to the stores of a rotation are waited for.
fn wait_for_writes_reason(rotation: &OpenRotation) -> &'static str {
    if rotation.destinations.iter().any(|frozen| frozen.kind == StorageKind::Versioned) {
        "waiting 20 minutes for writes to settle"
    } else {
        "waiting 10 minutes for writes to settle"
    }
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
    match revert.state {
        PullRequestState::Open { conflicting: false } => StepDecision::wait(
            BACK,
            format!("pull request #{number} restores the old key in the files: merge it"),
        ),
        PullRequestState::Open { conflicting: true } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} restores the old key in the files and has conflicts"),
        )
        .with_help("resolve them, or restore the old credential by hand"),
        PullRequestState::Closed => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} was closed, and the files still hold the new key"),
        )
        .with_help("re-open and merge it, or restore the old credential by hand"),
        PullRequestState::Merged { at } if case.time_since(at) < MERGE_LAG => StepDecision::wait(
            BACK,
            format!("pull request #{number} is merged; the files do not show the old key yet"),
        )
        .wait_until(at + MERGE_LAG),
        PullRequestState::Merged { .. } => StepDecision::wait(
            RotationPhase::Blocked,
            format!("pull request #{number} restored the old key, and the files hold the new key again"),
        )
        .with_help("restore the old credential by hand"),
    }
}

/// Discards the new key after its pull request was closed, or because it cannot be published.
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
        let why = format!("`{}` holds the new key {new}, which was discarded", place.destination);
        return Some(
            StepDecision::wait(RotationPhase::Blocked, why)
                .with_help("write the new key to every destination, or remove it from this one"),
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
    // why: a branch is created only after the key was tested
    rotation.verified?;
    match case.seen.branch.known_or_reason() {
        Ok(BranchTip::Neutral) => None,
        Ok(_) => Some(StepDecision::take_step(
            phase,
            RotationStep::DisarmBranch,
            "a merge of the branch would still publish the new key",
        )),
        Err(why) => {
            Some(StepDecision::wait(RotationPhase::Unknown, format!("the branch could not be read: {why}")))
        }
    }
}

/// Discards a key that was never published and whose secret is lost.
fn discard_key(case: &Situation<'_>, phase: RotationPhase, new: &KeyId) -> StepDecision {
    let Some(key) = case.find_key(new) else { return note_deleted(case, phase, new) };
    let Observed::Known(used) = &key.last_used else {
        return StepDecision::wait(
            RotationPhase::Unknown,
            format!("the last use of {new} could not be read"),
        );
    };
    // why: the run that created the key may have tested it with STS before it ended
    let is_own =
        |used: &KeyUse| &*used.service == "sts" && used.at <= key.created + CLAIM_DURATION + OWN_TEST_WINDOW;
    if let Some(foreign) = used.as_ref().filter(|used| !is_own(used)) {
        let (used_day, used_by) = (format_day(foreign.at), &foreign.service);
        let why = format!(
            "the secret of {new} was never published, but the key was used {} ({})",
            used_day, used_by
        );
        let help =
            "find out what uses it; once nothing needs the key, delete it by hand, and the rotation ends";
        return StepDecision::wait(RotationPhase::Blocked, why).with_help(help);
    }
    let reported_at = key.created + USAGE_REPORT_LAG;
    if reported_at > case.now {
        let why = format!(
            "the secret of {new} was never published; AWS reports last use up to 4 h late; checking again after {}",
            format_moment(reported_at)
        );
        return StepDecision::wait(phase, why).wait_until(reported_at);
    }
    match case.is_referenced(new) {
        Ok(None) => {
            let step = RotationStep::Discard { key: new.clone(), delete: key.is_inactive() };
            StepDecision::take_step(phase, step, "the secret of the new key was never published")
        }
        Ok(Some(why)) | Err(why) => {
            StepDecision::wait(RotationPhase::Blocked, why).with_help(format!("remove {new} from there"))
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
            format!("two lists of the user's keys differ about {key}; reading them again in the next run"),
        );
    }
    // why: a rollback ends held, so a key that appears later would stay until a person resumes
    if let Some(until) = case.request_settles_at().filter(|_| phase == BACK) {
        return StepDecision::wait(
            phase,
            "an earlier run may still create a key; waiting for its requests to settle",
        )
        .wait_until(until);
    }
    StepDecision::take_step(
        phase,
        RotationStep::NoteDeleted { key: key.clone() },
        format!("{key} is deleted"),
    )
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
    // why: announce, observe again, then act. The announcement moves the journal's head, which fails every write of
    // another run that could still publish the key
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
            guards::check_all_guards(case.retire_guards, &going),
            phases.0,
            step,
            &format!("nothing needs {id} any more"),
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
        guards::check_all_guards(case.delete_guards, &going),
        phases.1,
        RotationStep::Delete { key: id.clone() },
        &format!("{id} was not used while it was inactive"),
    )
}

/// A soaking key is active again: a person decides, and the soak starts anew. A list may be late, so one list that shows
/// it soon after the deactivation proves nothing.
fn handle_reactivated_key(
    case: &Situation<'_>,
    phase: RotationPhase,
    id: &KeyId,
    since: Timestamp,
) -> StepDecision {
    if case.time_since(since) < LIST_LAG {
        return StepDecision::wait(
            phase,
            format!("a list shows {id} active again, which may be an old answer"),
        )
        .wait_until(since + LIST_LAG);
    }
    let why = format!("{id} was re-activated while it was soaking");
    let help = format!(
        "if the application needs it: `keytide rollback --user {0}`; otherwise `keytide resume --user {0} --reason TEXT`",
        case.seen.user
    );
    StepDecision::take_step(RotationPhase::Blocked, RotationStep::Hold { why: why.clone() }, why)
        .with_help(help)
}

/// Another writer changed a destination, so which key it holds is unknown.
fn hold_foreign_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    frozen: &DestinationSnapshot,
) -> StepDecision {
    let why = case.describe_foreign_key(&frozen.destination, "a credential that keytide did not put there");
    let help = match frozen.kind {
        _ if rotation.abandoned_at.is_some() => {
            format!("write {} to it by hand, then {}", rotation.old, case.command("rollback"))
        }
        StorageKind::File => {
            format!("restore the credential of the pull request in the file, or {}", case.command("rollback"))
        }
        _ => format!("write the new key to it again: {}", case.command("resume")),
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
        Err(NotReady { why, until, help }) => StepDecision { until, help, ..StepDecision::wait(phase, why) },
    }
}
