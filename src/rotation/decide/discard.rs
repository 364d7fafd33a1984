//! The row of a new key that is discarded, after its pull request was closed or because it cannot be published; and the
//! steps that a rollback shares with it.

use jiff::SignedDuration;

use super::decision::StepDecision;
use super::redeployment::redeploy_old_key;
use super::retirement::{note_deleted, retire_key};
use super::situation::Situation;
use crate::dates::{format_day, format_moment};
use crate::rotation::journal::{DestinationSnapshot, OpenRotation, StorageKind};
use crate::rotation::timing::{
    CLAIM_DURATION, OWN_TEST_WINDOW, REQUEST_LIFETIME, STORE_LAG, USAGE_REPORT_LAG,
};
use crate::rotation::{
    BranchTip, KeyId, KeyUse, Observed, ObservedKey, PullRequestState, RotationPhase, RotationStep,
};
use crate::sentences::describe_wait;

/// Discards the new key after its pull request was closed, or because it cannot be published.
pub fn retire_abandoned_key(case: &Situation<'_>) -> Option<StepDecision> {
    let (rotation, new) = case.staged_rotation()?;
    // A merged key may be in use: only a rollback, whose row comes first, takes it back
    if case.is_merged(rotation) {
        return None;
    }
    if rotation.abandoned_at.is_none() {
        return abandon_new_key(case, rotation, new);
    }
    if let Some(again) = discard_again(case, RotationPhase::Closed, rotation, new) {
        return Some(again);
    }
    if let Some(place) = case.destination_with_new_key(rotation) {
        let why = format!("the new key {new}, which was discarded, is in `{}`", place.destination);
        return Some(
            StepDecision::wait(RotationPhase::Blocked, why)
                .with_help("write the new key to every destination, or remove it from this one"),
        );
    }
    if rotation.verified.is_none() {
        let proposed = stop_proposed_key(case, new);
        return Some(proposed.unwrap_or_else(|| discard_key(case, RotationPhase::Unverified, new)));
    }
    // The branch first. A merge in the meantime would publish the key while it is being deactivated
    disarm_branch(case, RotationPhase::Closed, rotation)
        .or_else(|| wait_for_store_writes(case, RotationPhase::Closed, rotation))
        .or_else(|| redeploy_old_key(case, rotation, new))
        .or_else(|| Some(retire_key(case, (RotationPhase::Closed, RotationPhase::Closed), rotation, new)))
}

/// An open pull request brings a key of which the journal does not say that AWS accepted it. keytide opens none before
/// that, so entries of the journal are lost, and a merge would publish a key that is on its way out.
pub fn stop_proposed_key(case: &Situation<'_>, new: &KeyId) -> Option<StepDecision> {
    let pull = match case.seen.pull_request.known_or_reason() {
        Ok(pull) => pull.as_ref().filter(|pull| pull.is_open())?,
        Err(why) => {
            let why = format!("the pull requests could not be read: {why}");
            return Some(StepDecision::wait(RotationPhase::Unknown, why));
        }
    };
    let number = pull.number;
    let why = format!(
        "pull request #{number} brings {new}, and the entries of the journal that belong to it are lost"
    );
    Some(StepDecision::wait(RotationPhase::Quarantined, why).with_help(format!(
        "see who wrote the journal, and put the lost entries back: `keytide explain changed-journal`. To give the key up: close pull request #{number}, do not merge it"
    )))
}

fn abandon_new_key(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Option<StepDecision> {
    // What reads the destination may use the key already
    if case.destination_with_new_key(rotation).is_some() {
        return None;
    }
    let why = reason_to_abandon(case, new)?;
    let step = RotationStep::AbandonNewKey { key: new.clone(), why: why.to_owned() };
    let decision = StepDecision::take_step(RotationPhase::Closed, step, why);
    let open = case.pull_request().filter(|pull| pull.is_open());
    Some(match open {
        Some(pull) => decision.with_help(format!(
            "do not merge pull request #{}: nothing can sign in with its key; the next run takes the key out of its branch",
            pull.number
        )),
        None => decision,
    })
}

fn reason_to_abandon(case: &Situation<'_>, new: &KeyId) -> Option<&'static str> {
    match case.find_key(new) {
        // A key in only one of the two lists may be a late list rather than a deletion
        None if !case.was_listed(new) => return Some("the new key was deleted by hand"),
        Some(key) if !key.is_active() => return Some("the new key was deactivated by hand"),
        _ => {}
    }
    match case.pull_request()?.state {
        PullRequestState::Closed => Some("the pull request was closed without a merge"),
        _ => None,
    }
}

/// The branch must not bring the new key any more.
pub fn disarm_branch(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
) -> Option<StepDecision> {
    // A branch is created only after the key was tested
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
pub fn discard_key(case: &Situation<'_>, phase: RotationPhase, new: &KeyId) -> StepDecision {
    let Some(key) = case.find_key(new) else { return note_deleted(case, phase, new) };
    let Observed::Known(used) = &key.last_used else {
        return StepDecision::wait(
            RotationPhase::Unknown,
            format!("the last use of {new} could not be read"),
        );
    };
    // Any other use shows that someone has the secret after all
    if let Some(foreign) = used.as_ref().filter(|used| !is_own_test(key, used)) {
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
        Ok(Some(why)) => blocked_by_reference(new, why),
        Err(unknown) => blocked_by_reference(new, unknown.to_string()),
    }
}

fn blocked_by_reference(new: &KeyId, why: String) -> StepDecision {
    StepDecision::wait(RotationPhase::Blocked, why).with_help(format!("remove {new} from there"))
}

/// Whether a use can be the test of the run that created the key: it may have called STS before it ended.
fn is_own_test(key: &ObservedKey, used: &KeyUse) -> bool {
    &*used.service == "sts" && used.at <= key.created + CLAIM_DURATION + OWN_TEST_WINDOW
}

/// A destination holds the new key again after its deactivation was announced: discard it anew.
pub fn discard_again(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
    new: &KeyId,
) -> Option<StepDecision> {
    // The key was named and later not, which makes the announcement void; without a new one the key would go at once
    let place =
        case.destination_with_new_key(rotation).filter(|_| rotation.retiring.as_ref() == Some(new))?;
    let why = format!("the new key {new}, which was discarded, is in `{}` again", place.destination);
    Some(StepDecision::take_step(
        phase,
        RotationStep::AbandonNewKey { key: new.clone(), why: why.clone() },
        why,
    ))
}

/// Waits for writes that a run sent before the new key was discarded. A store that compares versions accepts such a write
/// too, as long as it holds the version that was read.
pub fn wait_for_store_writes(
    case: &Situation<'_>,
    phase: RotationPhase,
    rotation: &OpenRotation,
) -> Option<StepDecision> {
    // A write that arrives after the deactivation would leave an inactive key in the store
    let lag = rotation.destinations.iter().filter_map(write_lag).max()?;
    let until = rotation.abandoned_at? + lag;
    if until <= case.now {
        return None;
    }
    Some(StepDecision::wait(phase, describe_write_wait(lag)).wait_until(until))
}

/// How long after its sending a write to a destination may still take effect.
fn write_lag(frozen: &DestinationSnapshot) -> Option<SignedDuration> {
    match frozen.kind {
        StorageKind::File => None,
        StorageKind::Store => Some(STORE_LAG),
        StorageKind::Versioned => Some(REQUEST_LIFETIME),
    }
}

/// Says how long a run waits for a write to a store that an earlier run sent.
pub fn describe_write_wait(lag: SignedDuration) -> String {
    format!("waiting {}, since a write that an earlier run sent may still arrive", describe_wait(lag))
}
