//! The rows of a user whose keys are to go without a successor: one key after the other is retired, and then none is left.

use super::decision::StepDecision;
use super::retirement::{note_deleted, retire_key};
use super::situation::{Situation, UnknownFact};
use crate::rotation::timing::MAX_CLOCK_SKEW;
use crate::rotation::{KeyId, ObservedKey, RotationPhase, RotationStep};

/// A retirement under way: announced while nothing refers to the key, deactivated when nothing uses it, deleted after its
/// soak.
pub fn retire_last_key(case: &Situation<'_>) -> Option<StepDecision> {
    let rotation = case.open_rotation().filter(|rotation| rotation.retires)?;
    let id = rotation.old.as_ref()?;
    let Some(key) = case.find_key(id) else {
        return Some(note_deleted(case, RotationPhase::Soaking, id));
    };
    if !case.rules.may_retire {
        let why = "the policy file no longer has `retire:` for this user";
        return Some(stop_retirement(case, key, why, "list the user with `retire` again"));
    }
    // Only a forged journal retires a key that did not exist when the retirement began
    if key.created > rotation.began_at + MAX_CLOCK_SKEW {
        let why = format!("the journal says that the retirement began before {id} was created");
        return Some(stop_retirement(case, key, &why, "delete the key by hand, if nothing needs it"));
    }
    // A reference that comes after the announcement may bring a new reader, who needs time to use the key. Only what is
    // known: a file that could not be read withdraws nothing, and the guards wait for it
    let announced = rotation.retiring.is_some() && key.is_active() && rotation.inactive_since.is_none();
    if let Ok(Some(why)) = case.is_referenced(id)
        && announced
    {
        let step = RotationStep::WithdrawRetirement { key: id.clone(), why: why.as_str().into() };
        return Some(StepDecision::take_step(RotationPhase::Retiring, step, why));
    }
    Some(retire_key(case, (RotationPhase::Retiring, RotationPhase::Soaking), rotation, id))
}

/// Ends a retirement that the policy file does not ask for, or whose times in the journal cannot be true. An active key
/// stays active; a person decides about an inactive one. `otherwise`: what the person does if the key is to go.
fn stop_retirement(case: &Situation<'_>, key: &ObservedKey, why: &str, otherwise: &str) -> StepDecision {
    if key.is_active() {
        let step = RotationStep::BeginRollback { why: why.to_owned() };
        return StepDecision::take_step(RotationPhase::Retiring, step, why);
    }
    let why = format!("{why}, and {} is inactive", key.id);
    StepDecision::wait(RotationPhase::Blocked, why)
        .with_help(format!("to activate the key: {}; to go on: {otherwise}", case.command("rollback")))
}

/// No rotation is under way, and the policy file says `retire`: the next key begins to go, or none is left.
pub fn begin_retirement(case: &Situation<'_>) -> Option<StepDecision> {
    if case.open_rotation().is_some() || !case.rules.may_retire {
        return None;
    }
    let listed = case.seen.listed.known()?;
    // A key that one list alone shows may be made or deleted in this minute
    if listed.len() != case.keys.len() || !case.keys.iter().all(|key| listed.contains(&key.id)) {
        let why = "two lists of the user's keys differ; reading them again in the next run";
        return Some(StepDecision::wait(RotationPhase::Unknown, why));
    }
    if case.keys.is_empty() {
        let why = "the user has no access key, as the policy file asks";
        return Some(StepDecision::wait(RotationPhase::Retired, why));
    }
    Some(match find_idlest_key(case.keys) {
        Ok(key) => StepDecision::take_step(
            RotationPhase::Retiring,
            RotationStep::BeginRetirement { key: key.clone() },
            format!("the policy file says `retire`, and the user has {key}"),
        ),
        Err(unknown) => StepDecision::wait(RotationPhase::Unknown, unknown.to_string()),
    })
}

/// The key that goes first. A journal follows one key at a time, so one that is still used must not keep an idle one: an
/// inactive key, then one that was never used, then the one that was used longest ago.
fn find_idlest_key(keys: &[ObservedKey]) -> Result<&KeyId, UnknownFact> {
    if let Some(key) = keys.iter().find(|key| key.is_inactive()) {
        return Ok(&key.id);
    }
    let mut idlest = None;
    for key in keys {
        let used = match key.last_used.known_or_reason() {
            Ok(used) => used.as_ref().map(|used| used.at),
            // With one key there is nothing to choose; its guards wait for the last use
            Err(_) if keys.len() == 1 => None,
            Err(why) => {
                return Err(UnknownFact::new(format!("the last use of {} could not be read: {why}", key.id)));
            }
        };
        if idlest.is_none_or(|(_, earliest)| used < earliest) {
            idlest = Some((&key.id, used));
        }
    }
    idlest.map(|(id, _)| id).ok_or_else(|| UnknownFact::new("the user has no access key"))
}
