//! The rows that come before any progress: contradictions, keys that must be brought back, keys that nobody has, and
//! what only a person can mend.

use super::guards::USE_LAG;
use super::{Case, Decision};
use crate::rotation::journal::{CLOCKS_APART, MAX_FAILURES, REQUEST_LIFE};
use crate::rotation::{Key, Phase, Status, Step};

/// Quarantined, held: a contradiction that a person must look at.
pub fn quarantined(case: &Case<'_>) -> Option<Decision> {
    let journal = case.journal;
    let help = format!("look at it, then `keytide resume --user {} --reason TEXT`", case.seen.user);
    let quarantine = |why: String| Some(Decision::wait(Phase::Quarantined, why).help(help.clone()));
    if let Some(event) = &journal.foreign {
        let decision = Decision::wait(
            Phase::Blocked,
            format!("the journal has an entry `{event}`, which this version does not know"),
        );
        return Some(decision.help("use the newer version of keytide that wrote it"));
    }
    if let Some(fault) = &journal.fault {
        return quarantine(format!("the journal is broken: {fault}"));
    }
    let Some(user_id) = case.seen.user_id.known()? else {
        let decision = Decision::wait(Phase::Blocked, "the IAM user does not exist");
        return Some(decision.help("remove it from the policy file, or create it"));
    };
    if case.open().is_some_and(|rotation| rotation.user_id != *user_id) {
        return quarantine(
            "another user was created under the name of the one whose rotation is under way".to_owned(),
        );
    }
    if let Some((step, count)) = &journal.failures
        && *count >= MAX_FAILURES
    {
        return quarantine(format!("the step `{step}` failed {count} times"));
    }
    journal.held.as_ref().map(|why| Decision::wait(Phase::Held, why.clone()).help(help))
}

/// A destination names a key that is not active.
pub fn drifted(case: &Case<'_>) -> Option<Decision> {
    let named = case.seen.places.iter().filter_map(|place| Some((place, case.key_at(place)?)));
    let mut lost = None;
    for (place, id) in named {
        match case.key(id) {
            Some(key) if key.is_inactive() => {
                if let Some(wait) = case.may_vanish(id, Phase::Drifted) {
                    return Some(wait);
                }
                let why = format!("`{}` holds {id}, which is inactive", place.id);
                return Some(Decision::take(Phase::Drifted, Step::Activate { key: id.clone() }, why));
            }
            Some(_) => {}
            None => drop(lost.get_or_insert((place, id))),
        }
    }
    let (place, id) = lost?;
    if case.was_listed(id) {
        return Some(Decision::wait(
            Phase::Unknown,
            format!("two lists of the user's keys differ about {id}"),
        ));
    }
    let decision = Decision::wait(
        Phase::Quarantined,
        format!("`{}` holds {id}, which does not exist any more", place.id),
    );
    Some(decision.help("put the present key there; the pull request of its rotation has it"))
}

/// A run made a key, and died before it kept the secret.
pub fn orphan(case: &Case<'_>) -> Option<Decision> {
    let key = case.keys.iter().find(|key| is_orphan(case, key))?;
    let told = key.created + USE_LAG;
    if told > case.now {
        // A person may have made one in the same minutes; then somebody uses it.
        let why =
            format!("{} was made when a run of keytide died; whether anybody uses it is known later", key.id);
        return Some(Decision::wait(Phase::Orphan, why).until(told));
    }
    let step = Step::Discard { key: key.id.clone(), delete: key.is_inactive() };
    let why = format!("{} was made by a run that did not keep its secret: nobody has it", key.id);
    Some(Decision::take(Phase::Orphan, step, why))
}

fn is_orphan(case: &Case<'_>, key: &Key) -> bool {
    let in_time = case
        .journal
        .tries
        .iter()
        .any(|tried| (*tried - CLOCKS_APART..=*tried + REQUEST_LIFE).contains(&key.created));
    let ours =
        case.open().is_some_and(|rotation| rotation.old == key.id || rotation.new_key() == Some(&key.id));
    in_time
        && !ours
        && !case.journal.known.values().any(|known| *known == key.id)
        && case.was_listed(&key.id)
        && key.last_used.known() == Some(&None)
        && case.is_referenced(&key.id) == Ok(None)
}

/// What a person must do first.
pub fn blocked(case: &Case<'_>) -> Option<Decision> {
    let blocked = |why: String, help: &str| Some(Decision::wait(Phase::Blocked, why).help(help));
    if let Some(key) = case.keys.iter().find(|key| key.status == Status::Other) {
        return blocked(
            format!("{} has a status that this version does not know", key.id),
            "look at it in the console",
        );
    }
    if let Some(rotation) = case.open() {
        let foreign = |key: &&Key| key.id != rotation.old && rotation.new_key() != Some(&key.id);
        let key = case.keys.iter().find(foreign)?;
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
        _ => Some(two_keys(case)),
    }
}

/// A user with several keys and no rotation: keytide does not guess which of them is in use.
fn two_keys(case: &Case<'_>) -> Decision {
    let told = |key: &Key| {
        let used = match key.last_used.read() {
            Ok(Some(used)) => format!("last used at {}", used.at),
            Ok(None) => "never used".to_owned(),
            Err(why) => format!("last use unknown ({why})"),
        };
        format!("{} ({used})", key.id)
    };
    let keys: Vec<String> = case.keys.iter().map(told).collect();
    let decision = Decision::wait(
        Phase::Blocked,
        format!("the user has {} keys and no rotation: {}", keys.len(), keys.join(", ")),
    );
    let time = |key: &&Key| key.last_used.known().map(|used| used.as_ref().map(|used| used.at));
    let known = case.keys.iter().all(|key| key.last_used.known().is_some());
    match case.keys.iter().min_by_key(time) {
        Some(idle) if known => decision.help(format!(
            "if nobody needs {0}: `aws iam update-access-key --user-name {1} --access-key-id {0} --status Inactive`, and delete it once nothing broke",
            idle.id, case.seen.user
        )),
        _ => decision.help("keep the one that the application uses, deactivate and later delete the other"),
    }
}
