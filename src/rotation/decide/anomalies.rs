//! The rows that come before any progress: contradictions, keys that must be brought back, keys that nobody has, and
//! what only a person can mend.

use super::{Situation, StepDecision};
use crate::rotation::journal::MAX_FAILURES;
use crate::rotation::timing::{MAX_CLOCK_SKEW, REQUEST_LIFETIME, USAGE_REPORT_LAG};
use crate::rotation::{
    KeyId, KeyState, KeyUse, ObservedKey, OpenRotation, PullRequestState, RotationPhase, RotationStep,
};

/// Quarantined, held: a contradiction that a person must look at.
pub fn check_quarantine(case: &Situation<'_>) -> Option<StepDecision> {
    let journal = case.journal;
    let help = format!("look at it, then `keytide resume --user {} --reason TEXT`", case.seen.user);
    let quarantine =
        |why: String| Some(StepDecision::wait(RotationPhase::Quarantined, why).with_help(help.clone()));
    if let Some(event) = &journal.unknown_event {
        let decision = StepDecision::wait(
            RotationPhase::Blocked,
            format!("the journal has an entry `{event}`, which this version does not know"),
        );
        return Some(decision.with_help("use the newer version of keytide that wrote it"));
    }
    if let Some(fault) = &journal.fault {
        return quarantine(format!("the journal is broken: {fault}"));
    }
    let Some(user_id) = case.seen.user_id.known()? else {
        let decision = StepDecision::wait(RotationPhase::Blocked, "the IAM user does not exist");
        return Some(decision.with_help("remove it from the policy file, or create it"));
    };
    if case.open_rotation().is_some_and(|rotation| rotation.user_id != *user_id) {
        return Some(user_was_recreated(case, &help));
    }
    if let Some(failed) = journal.failures.as_ref().filter(|failed| failed.times >= MAX_FAILURES) {
        return quarantine(format!(
            "the step `{}` failed {} times, the last time: {}",
            failed.step, failed.times, failed.why
        ));
    }
    if case.seen.request.rollback && case.open_rotation().is_some_and(|rotation| rotation.rollback.is_none())
    {
        return None;
    }
    journal
        .hold_reason
        .as_ref()
        .map(|why| StepDecision::wait(RotationPhase::Held, why.clone()).with_help(help))
}

/// The user of the rotation under way was deleted, and another has its name.
fn user_was_recreated(case: &Situation<'_>, help: &str) -> StepDecision {
    let open = case.pull_request().filter(|proposal| matches!(proposal.state, PullRequestState::Open { .. }));
    let close = open.map_or_else(String::new, |proposal| {
        format!("close pull request #{}, whose key went with the former user; ", proposal.number)
    });
    let why = "another user was created under the name of the one whose rotation is under way";
    StepDecision::wait(RotationPhase::Quarantined, why)
        .with_help(format!("{close}put the present key into the destinations; {help}"))
}

/// A destination names a key that is not active.
pub fn reactivate_referenced_key(case: &Situation<'_>) -> Option<StepDecision> {
    let named = case.seen.destinations.iter().filter_map(|place| Some((place, case.key_at(place)?)));
    let mut lost = None;
    for (place, id) in named {
        match case.find_key(id) {
            Some(key) if key.is_inactive() => {
                if let Some(wait) = case.wait_for_pending_changes(id, RotationPhase::Drifted) {
                    return Some(wait);
                }
                let why = format!("`{}` holds {id}, which is inactive", place.id);
                return Some(StepDecision::take_step(
                    RotationPhase::Drifted,
                    RotationStep::Activate { key: id.clone() },
                    why,
                ));
            }
            Some(_) => {}
            None if is_taken_back(case, id) => {}
            None => drop(lost.get_or_insert((place, id))),
        }
    }
    let (place, id) = lost?;
    if case.was_listed(id) {
        return Some(StepDecision::wait(
            RotationPhase::Unknown,
            format!("two lists of the user's keys differ about {id}"),
        ));
    }
    let decision = StepDecision::wait(
        RotationPhase::Quarantined,
        format!("`{}` holds {id}, which does not exist any more", place.id),
    );
    Some(decision.with_help(recovery_help(case, id)))
}

/// Whether a new key that is gone is on its way out of the destinations, and the old one back into them.
fn is_taken_back(case: &Situation<'_>, id: &KeyId) -> bool {
    let is_asked = case.seen.request.rollback;
    case.open_rotation().is_some_and(|rotation| {
        rotation.new_key() == Some(id)
            && case.find_key(&rotation.old).is_some()
            && (is_asked || rotation.rollback.is_some())
    })
}

/// What to do about a key that is gone and that a destination holds.
fn recovery_help(case: &Situation<'_>, id: &KeyId) -> String {
    let user = &case.seen.user;
    let is_there = |key: &&KeyId| case.find_key(key).is_some();
    let rotation: Option<&OpenRotation> = case.open_rotation();
    let old = rotation.map(|rotation| &rotation.old).filter(is_there);
    let new = rotation.and_then(OpenRotation::new_key).filter(is_there);
    let pull = case.pull_request().filter(|proposal| matches!(proposal.state, PullRequestState::Open { .. }));
    match (old, new, pull) {
        (Some(old), None, _) if old != id => {
            format!("`keytide rollback --user {user}` proposes to go back to {old}, which exists")
        }
        (None, Some(new), Some(pull)) => {
            format!("merge pull request #{}: it brings {new}, which exists", pull.number)
        }
        _ if case.keys.is_empty() => format!(
            "`aws iam create-access-key --user-name {user}`, put that key there, then `keytide resume --user {user} --reason TEXT`"
        ),
        _ => format!("put a key there that exists, then `keytide resume --user {user} --reason TEXT`"),
    }
}

/// A run made a key, and died before it kept the secret.
pub fn discard_orphan_key(case: &Situation<'_>) -> Option<StepDecision> {
    let key = case.keys.iter().find(|key| is_orphan(case, key))?;
    let told = key.created + USAGE_REPORT_LAG;
    if told > case.now {
        // A person may have made one in the same minutes; then somebody uses it.
        let why =
            format!("{} was made when a run of keytide died; whether anybody uses it is known later", key.id);
        return Some(StepDecision::wait(RotationPhase::Orphan, why).wait_until(told));
    }
    let step = RotationStep::Discard { key: key.id.clone(), delete: key.is_inactive() };
    let why = format!("{} was made by a run that did not keep its secret: nobody has it", key.id);
    Some(StepDecision::take_step(RotationPhase::Orphan, step, why))
}

fn is_orphan(case: &Situation<'_>, key: &ObservedKey) -> bool {
    let in_time = case
        .journal
        .unconfirmed_creations
        .iter()
        .any(|tried| (*tried - MAX_CLOCK_SKEW..=*tried + REQUEST_LIFETIME).contains(&key.created));
    let ours = case
        .open_rotation()
        .is_some_and(|rotation| rotation.old == key.id || rotation.new_key() == Some(&key.id));
    in_time
        && !ours
        && !case.journal.key_by_fingerprint.values().any(|known| *known == key.id)
        && case.was_listed(&key.id)
        && key.last_used.known() == Some(&None)
        && case.is_referenced(&key.id) == Ok(None)
}

/// What a person must do first.
pub fn check_blockers(case: &Situation<'_>) -> Option<StepDecision> {
    let blocked =
        |why: String, help: &str| Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help));
    if let Some(key) = case.keys.iter().find(|key| key.status == KeyState::Other) {
        return blocked(
            format!("{} has a status that this version does not know", key.id),
            "look at it in the console",
        );
    }
    if let Some(rotation) = case.open_rotation() {
        let foreign = |key: &&ObservedKey| key.id != rotation.old && rotation.new_key() != Some(&key.id);
        let key = case.keys.iter().find(foreign)?;
        if rotation.staged.is_none() && case.find_key(&rotation.old).is_none() {
            let why = format!("{} was deleted by hand, and there is {} instead", rotation.old, key.id);
            let help = "put it into the destinations, then `keytide resume --user";
            return blocked(why, &format!("{help} {} --reason TEXT`", case.seen.user));
        }
        return blocked(
            format!("{} is a key that keytide did not make", key.id),
            "find out whose it is; when it is deleted, the rotation goes on",
        );
    }
    match case.keys {
        [] => blocked(
            "the user has no access key".to_owned(),
            "create the first key by hand, and put it into the destinations",
        ),
        [only] if !only.is_active() => blocked(
            format!("the user's only key {} is inactive", only.id),
            "activate it, or delete it and create another",
        ),
        [_] => None,
        _ => Some(two_keys_blocker(case)),
    }
}

/// A user with several keys and no rotation: keytide does not guess which of them is in use, and says what IAM knows.
fn two_keys_blocker(case: &Situation<'_>) -> StepDecision {
    let told = |key: &ObservedKey| {
        let status = if key.is_active() { "active" } else { "inactive" };
        let used = match key.last_used.known_or_reason() {
            Ok(Some(used)) => format!("last used at {} by {}", used.at, used.service),
            Ok(None) => "never used".to_owned(),
            Err(why) => format!("last use unknown ({why})"),
        };
        format!("{} ({status}, {used})", key.id)
    };
    let keys: Vec<String> = case.keys.iter().map(told).collect();
    let why = format!("the user has {} keys and no rotation: {}", keys.len(), keys.join(", "));
    let user = &case.seen.user;
    let help = match idle_key(case.keys) {
        Some(key) if key.is_active() => format!(
            "if nobody needs {0}: `aws iam update-access-key --user-name {user} --access-key-id {0} --status Inactive`; once nothing broke, delete it",
            key.id
        ),
        Some(key) => format!(
            "if nothing broke since {0} is inactive: `aws iam delete-access-key --user-name {user} --access-key-id {0}`; else activate it and deactivate the other",
            key.id
        ),
        None => "keep the one that the application uses, deactivate and later delete the other; a use by sts may be keytide's own".to_owned(),
    };
    StepDecision::wait(RotationPhase::Blocked, why).with_help(help)
}

/// The key that is inactive, else the one that was used longest ago, if that can be told: keytide itself asks STS with a
/// key that it has made, so that a use by STS need not be an application's.
fn idle_key(keys: &[ObservedKey]) -> Option<&ObservedKey> {
    if let Some(inactive) = keys.iter().find(|key| key.is_inactive()) {
        return Some(inactive);
    }
    let used = |key: &ObservedKey| key.last_used.known().cloned();
    let all: Option<Vec<_>> = keys.iter().map(|key| Some((key, used(key)?))).collect();
    let all = all?;
    let (key, last) = all.iter().min_by_key(|(_, used)| used.as_ref().map(|used| used.at))?;
    let unclear = |(other, used): &(&ObservedKey, Option<KeyUse>)| {
        other.id != key.id && used.as_ref().is_some_and(|used| &*used.service == "sts")
    };
    (last.is_none() || !all.iter().any(unclear)).then_some(*key)
}
