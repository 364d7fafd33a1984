//! The ways out of a hold, as steps in their order: each of them is needed, and after the last one the user is no longer
//! held.

use super::rollback::may_hold_new_key;
use super::situation::Situation;
use crate::destinations::kind::describe_removal;
use crate::rotation::{KeyId, OpenRotation};
use crate::sentences::number_steps;

/// What a person does about a user that is held.
pub fn held_help(case: &Situation<'_>) -> String {
    let resume = case.command("resume");
    match case.staged_rotation() {
        Some((rotation, new)) if rotation.rollback.is_some() => {
            number_steps(&stuck_rollback_steps(case, rotation, new))
        }
        Some((rotation, new)) => {
            let back = match &rotation.old {
                Some(old) if case.find_key(old).is_some() => Some(format!("go back to {old}")),
                None if case.find_key(new).is_some() => Some(format!("take {new} back")),
                _ => None,
            };
            let back = back.map(|what| format!("; or {what}: {}", case.command("rollback")));
            format!("find out why, then {resume}{}", back.unwrap_or_default())
        }
        None => number_steps(&ended_rotation_steps(case, resume)),
    }
}

/// The rotation has ended. What still holds a deleted key would stop the user again right after `resume`.
fn ended_rotation_steps(case: &Situation<'_>, resume: String) -> Vec<String> {
    let mut steps = Vec::new();
    let active = case.keys.iter().find(|key| key.is_active());
    for place in &case.seen.destinations {
        let Some(lost) = case.key_at(place).filter(|id| case.find_key(id).is_none()) else { continue };
        let write = match active {
            Some(key) => format!("write {} there", key.id),
            None => "write another key there".to_owned(),
        };
        let removal = describe_removal(&place.id);
        steps.push(format!(
            "{lost}, which is deleted, is in `{}`: {write}, or, if no one has its secret access key, {removal}",
            place.id
        ));
    }
    // What was changed by hand is read by applications all the same
    for place in case.seen.destinations.iter().filter(|place| case.key_at(place).is_none()) {
        if let (Some(Some(_)), Some(key)) = (place.fingerprint.known(), active) {
            steps.push(format!("see that `{}`, which is not as keytide left it, holds {}", place.id, key.id));
        }
    }
    if steps.is_empty() {
        let history = format!("`keytide plan --user {} --history`", case.seen.user);
        let retire = match case.rules.may_retire {
            true => ", take `retire` out of the policy file if the key is to stay",
            false => "",
        };
        return vec![format!(
            "see what went wrong ({history}){retire}, then {resume}: from then on the next rotation can begin"
        )];
    }
    steps.push(resume);
    let fresh = format!("`keytide rotate --user {} --compromised`", case.seen.user);
    steps.push(format!("where you removed a credential, {fresh} makes a new key now"));
    steps
}

/// A store that shows no values keeps the rollback from its end. A person sees to the store, then to the key.
fn stuck_rollback_steps(case: &Situation<'_>, rotation: &OpenRotation, new: &KeyId) -> Vec<String> {
    let (user, resume) = (&case.seen.user, case.command("resume"));
    let delete = |id: &KeyId| format!("`aws iam delete-access-key --user-name {user} --access-key-id {id}`");
    let stores: Vec<_> =
        rotation.destinations.iter().filter(|frozen| may_hold_new_key(case, rotation, frozen)).collect();
    let names: Vec<String> = stores.iter().map(|frozen| format!("`{}`", frozen.destination)).collect();
    let mut steps = Vec::new();
    let Some(old) = &rotation.old else {
        steps.extend(stores.iter().map(|frozen| describe_removal(&frozen.destination)));
        steps.extend(case.find_key(new).map(|_| delete(new)));
        steps.push(format!("{resume}, which ends the rotation"));
        return steps;
    };
    if case.find_key(old).is_none() {
        steps.push(format!("make sure that every destination holds {new}, or another key that exists"));
        steps.push(format!("{resume}, which ends the rotation"));
        return steps;
    }
    if !names.is_empty() {
        // Before the step that leaves nothing else: what was written there may be another value
        steps.push(format!(
            "write {old} to {}, which keytide cannot read, and see that what reads it works",
            names.join(" and ")
        ));
    }
    steps.extend(case.find_key(new).map(|_| delete(new)));
    steps.push(resume.clone());
    steps.push(format!("`keytide rotate --user {user}` ends the rollback, and the user is held once more"));
    steps.push(resume);
    // Without a file nothing has kept the old secret, so there may be no one who can write it
    if case.destinations_in(rotation, true).next().is_none() && case.find_key(new).is_some() {
        let last = steps.pop().unwrap_or_default();
        steps.push(format!(
            "{last}. If no one has the secret access key of {old}, keep {new} instead: {}, then {}, which ends the rotation",
            delete(old),
            case.command("resume")
        ));
    }
    steps
}
