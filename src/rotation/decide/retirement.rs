//! Retires a key that was once published, in its order: announce, deactivate, note the time, wait, delete.

use jiff::Timestamp;

use super::decision::{Advice, StepDecision};
use super::guards;
use super::situation::{FOREIGN_CREDENTIAL, NotReady, RetireCheck, Situation};
use crate::rotation::journal::{DestinationSnapshot, OpenRotation, StorageKind};
use crate::rotation::timing::LIST_LAG;
use crate::rotation::{KeyId, RotationPhase, RotationStep};

/// The key is gone: records its deletion, which ends the rotation.
pub fn note_deleted(case: &Situation<'_>, phase: RotationPhase, key: &KeyId) -> StepDecision {
    // The lists of IAM lag, so only two that agree prove that the key is gone
    if case.was_listed(key) {
        return StepDecision::wait(
            RotationPhase::Unknown,
            format!("two lists of the user's keys differ about {key}; reading them again in the next run"),
        );
    }
    // A rollback ends held, so a key that appears later would stay until a person resumes
    if let Some(until) = case.request_settles_at().filter(|_| phase == RotationPhase::RollingBack) {
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
    // Before the guards, which would only wait; the destination needs a person
    if let Some(frozen) = case.destination_with_foreign_key(rotation) {
        return hold_foreign_key(case, rotation, frozen);
    }
    // Announce, observe again, then act. The announcement moves the journal's head, which fails every write of
    // another run that could still publish the key
    let going = RetireCheck { situation: case, rotation, key };
    let announced = rotation.retiring.as_ref() == Some(id);
    if key.is_active() {
        if let Some(since) = rotation.inactive_since.filter(|_| announced) {
            return handle_reactivated_key(case, phases.1, id, since);
        }
        // A retirement is announced again once the key was quiet: what named it between two looks shows by its use
        let is_due = announced && !(rotation.retires && rotation.announced.is_none());
        let step = if is_due {
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
    // Whoever deactivated it: only an announcement fails the late writes that would still publish the key
    if !announced {
        return StepDecision::take_step(
            phases.1,
            RotationStep::AnnounceRetirement { key: id.clone() },
            format!("{id} is inactive already"),
        );
    }
    // IAM does not say since when a key is inactive, so the soak counts from what the journal notes
    if rotation.inactive_since.is_none() {
        return StepDecision::take_step(
            phases.1,
            RotationStep::NoteInactive { key: id.clone() },
            format!("{id} is inactive"),
        );
    }
    if let Some(blocked) = block_named_key(case, rotation, id) {
        return blocked;
    }
    step_when_ready(
        guards::check_all_guards(case.delete_guards, &going),
        phases.1,
        RotationStep::Delete { key: id.clone() },
        &format!("{id} was not used while it was inactive"),
    )
}

/// Something names a key that is inactive already: what reads it there does not work, and only a person knows which of the
/// two is wrong.
fn block_named_key(case: &Situation<'_>, rotation: &OpenRotation, id: &KeyId) -> Option<StepDecision> {
    // When the key was deactivated, nothing named it, and no destination of a retirement held a credential
    let named = case.find_reader(rotation, id)?;
    let rollback = case.command("rollback");
    let what = match &rotation.old {
        _ if rotation.retires => format!("take it out, or bring the key back: {rollback}"),
        Some(old) if old != id => format!("write {old} there"),
        Some(_) if case.must_stay_out(id) => {
            format!(
                "write the new key there; to activate the compromised key all the same: {}",
                case.forced_rollback()
            )
        }
        Some(_) => format!("write the new key there, or go back: {rollback}"),
        None => "take it out".to_owned(),
    };
    let why = format!("key {id} is inactive, and {named}");
    Some(
        StepDecision::wait(RotationPhase::Blocked, why)
            .with_help(format!("what reads the key there does not work: {what}")),
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
    let resume = case.command("resume");
    let help = if case.open_rotation().is_some_and(|rotation| rotation.retires) {
        format!("if an application needs it, take `retire` out of the policy file; then {resume}")
    } else {
        format!("if the application needs it: {}; otherwise {resume}", case.command("rollback"))
    };
    StepDecision::take_step(RotationPhase::Blocked, RotationStep::Hold { why: why.clone() }, why)
        .with_help(help)
}

/// Another writer changed a destination, so which key it holds is unknown.
pub fn hold_foreign_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    frozen: &DestinationSnapshot,
) -> StepDecision {
    let why = case.describe_foreign_key(&frozen.destination, FOREIGN_CREDENTIAL);
    let help = match frozen.kind {
        _ if rotation.abandoned_at.is_some() => match &rotation.old {
            Some(old) => restore_by_hand(case, frozen, old, rotation.new_key()),
            None => "restore what was there before, or remove the credential".to_owned(),
        },
        _ => restore_new_key_help(case, rotation, frozen),
    };
    StepDecision::wait(RotationPhase::Blocked, why).with_help(help)
}

/// How a destination gets the new key again, or all of them the old one.
pub fn restore_new_key_help(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    frozen: &DestinationSnapshot,
) -> String {
    let (resume, back) = (case.command("resume"), case.command("rollback"));
    if let Some(gone) = rotation.new_key().filter(|new| case.find_key(new).is_none()) {
        return format!("the new key {gone} no longer exists: {back}");
    }
    match frozen.kind {
        StorageKind::File if rotation.compromised => {
            "restore the credential of the pull request in the file".to_owned()
        }
        StorageKind::File => format!("restore the credential of the pull request in the file, or {back}"),
        _ if rotation.compromised => format!("{resume} makes the next run write the new key there"),
        _ => format!(
            "{resume} makes the next run write the new key there, over what it holds; to go back to the old key: {back}"
        ),
    }
}

/// What a person does where the new key is taken back and another credential is in a destination. keytide cannot see which
/// key an encrypted file holds, so it goes on once the key that would be deleted is gone.
fn restore_by_hand(
    case: &Situation<'_>,
    frozen: &DestinationSnapshot,
    old: &KeyId,
    new: Option<&KeyId>,
) -> String {
    let write = match frozen.kind {
        StorageKind::File => "restore the file as it was before the rotation (`git log`)".to_owned(),
        _ => format!("write {old} there"),
    };
    match new.filter(|new| case.find_key(new).is_some()) {
        Some(new) => format!(
            "see which key it holds, which keytide cannot. If it is not {old}: {write}; do not delete {new} before. If it is {old}, in another form: `aws iam delete-access-key --user-name {} --access-key-id {new}`, and the next run goes on",
            case.seen.user
        ),
        None => write,
    }
}

fn step_when_ready(
    guards: Result<(), NotReady>,
    phase: RotationPhase,
    step: RotationStep,
    why: &str,
) -> StepDecision {
    match guards {
        Ok(()) => StepDecision::take_step(phase, step, why),
        Err(NotReady { why, until, help }) => {
            StepDecision { until, help: help.map(Advice::ask), ..StepDecision::wait(phase, why) }
        }
    }
}
