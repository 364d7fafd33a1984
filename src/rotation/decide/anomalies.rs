//! The rows that come before any progress: contradictions, keys that must be re-activated, keys whose secret is lost, and
//! states that only a person can fix.

use super::decision::StepDecision;
use super::held::held_help;
use super::situation::Situation;
use crate::dates::format_moment;
use crate::rotation::ids::shorten_commit;
use crate::rotation::journal::MAX_FAILURES;
use crate::rotation::timing::{MAX_CLOCK_SKEW, REQUEST_LIFETIME, USAGE_REPORT_LAG};
use crate::rotation::{
    DestinationId, KeyId, KeyState, KeyUse, Observed, ObservedKey, OpenRotation, RotationPhase, RotationStep,
};

/// Stops a user that is held, or whose facts contradict each other.
pub fn check_quarantine(case: &Situation<'_>) -> Option<StepDecision> {
    let journal = case.journal;
    let help = format!("find out why, then {}", case.command("resume"));
    // Before the fault: what a newer version recorded can make the later entries look contradictory
    if let Some(event) = &journal.unknown_event {
        let decision = StepDecision::wait(
            RotationPhase::Blocked,
            format!(
                "the entry {} of the journal has the event `{}`, which this version of keytide cannot read",
                shorten_commit(&event.commit),
                event.name
            ),
        );
        return Some(decision.with_help(
            "if a newer version of keytide wrote it, upgrade to that; if not, someone else wrote it: `keytide explain changed-journal`. `keytide resume` does not clear this",
        ));
    }
    if let Some(fault) = &journal.fault {
        let back = if case.seen.request.rollback { "; this run begins no rollback" } else { "" };
        let why = format!("the journal is broken: {fault}{back}");
        let help = match journal.fault_outlasts_resume {
            true => lasting_fault_help(case),
            false => format!(
                "move the journal back to before the wrong entry: `keytide explain changed-journal`. Only if no one finds that entry: {}, which ends the rotation and leaves its keys to you",
                case.command("resume")
            ),
        };
        return Some(StepDecision::wait(RotationPhase::Quarantined, why).with_help(help));
    }
    let Some(user_id) = case.seen.user_id.known()? else {
        let decision = StepDecision::wait(RotationPhase::Blocked, "the IAM user does not exist");
        return Some(decision.with_help("remove the user from the policy file, or create it"));
    };
    // The name is the same, the keys are not: IAM lets a new user take the name of a deleted one
    if case.open_rotation().is_some_and(|rotation| rotation.user_id != *user_id) {
        return Some(user_was_recreated(case, &help));
    }
    if let Some(failed) = journal.failures.as_ref().filter(|failed| failed.times >= MAX_FAILURES) {
        let why = format!(
            "the step `{}` failed {} times, the last time: {}",
            failed.step, failed.times, failed.why
        );
        return Some(StepDecision::wait(RotationPhase::Quarantined, why).with_help(help));
    }
    // A rollback is the way out of a hold, so it must pass
    if case.seen.request.rollback && case.open_rotation().is_some_and(|rotation| rotation.rollback.is_none())
    {
        return None;
    }
    journal
        .hold_reason
        .as_ref()
        .map(|why| StepDecision::wait(RotationPhase::Held, why.clone()).with_help(held_help(case)))
}

/// The way out of a journal with an entry that keytide did not write. A review does not clear it: everyone who
/// can write the entry can write one of a review as well.
fn lasting_fault_help(case: &Situation<'_>) -> String {
    let old = case.open_rotation().and_then(|rotation| rotation.old.as_ref());
    // The journal may name a key that a person deactivated: what keytide did is recorded on the user
    let is_own = |key: &&ObservedKey| {
        key.is_inactive() && case.seen.inactive_keys.known().is_some_and(|keys| keys.was_deactivated(&key.id))
    };
    let inactive = old.and_then(|old| case.find_key(old)).filter(is_own);
    let activate = inactive.map_or_else(String::new, |key| {
        format!(
            ". If an application fails now: `aws iam update-access-key --user-name {} --access-key-id {} --status Active`",
            case.seen.user, key.id
        )
    });
    format!(
        "see who wrote the last entries, and move the journal back to the one before them: `keytide explain changed-journal`. `keytide resume` and `keytide rollback` do not clear this{activate}"
    )
}

/// The user of the open rotation was deleted, and another has its name.
fn user_was_recreated(case: &Situation<'_>, help: &str) -> StepDecision {
    let open = case.pull_request().filter(|proposal| proposal.is_open());
    let close = open.map_or_else(String::new, |proposal| {
        format!("close pull request #{}, whose key was deleted with the former user; ", proposal.number)
    });
    let why = "the IAM user was deleted and created again during its rotation";
    StepDecision::wait(RotationPhase::Quarantined, why)
        .with_help(format!("{close}write the current key to the destinations; {help}"))
}

/// Re-activates a key that a destination holds and that is inactive; stops when such a key no longer exists.
pub fn reactivate_referenced_key(case: &Situation<'_>) -> Option<StepDecision> {
    let named = case.seen.destinations.iter().filter_map(|place| Some((place, case.key_at(place)?)));
    let mut lost = None;
    for (place, id) in named {
        match case.find_key(id) {
            Some(key) if key.is_inactive() && case.must_stay_out(id) => {
                return Some(block_compromised_reference(case, &place.id, id));
            }
            // The rollback that was asked for or has begun takes it back
            Some(key) if key.is_inactive() && case.was_deactivated_by_hand(id) && is_taken_back(case, id) => {
            }
            Some(key) if key.is_inactive() && case.was_deactivated_by_hand(id) => {
                return Some(block_deactivated_reference(case, &place.id, id));
            }
            Some(key) if key.is_inactive() => {
                // A deletion that was sent cannot be cancelled; it could delete the key after its re-activation
                if let Some(wait) = case.wait_for_pending_changes(id, RotationPhase::Drifted) {
                    return Some(wait);
                }
                return Some(activate_referenced_key(case, &place.id, id));
            }
            Some(_) => {}
            None if is_taken_back(case, id) => {}
            None => drop(lost.get_or_insert((place, id))),
        }
    }
    let (place, id) = lost?;
    // IAM's lists lag, so one list without the key does not prove its deletion
    if case.was_listed(id) {
        return Some(StepDecision::wait(
            RotationPhase::Unknown,
            format!("two lists of the user's keys differ about {id}"),
        ));
    }
    let decision = StepDecision::wait(
        RotationPhase::Quarantined,
        format!("{id}, which no longer exists, is in `{}`: what reads it there fails", place.id),
    );
    Some(decision.with_help(recovery_help(case, id)))
}

/// A destination holds a key that keytide deactivated.
fn activate_referenced_key(case: &Situation<'_>, place: &DestinationId, id: &KeyId) -> StepDecision {
    let why = format!("{id}, which is inactive, is in `{place}`: what reads it there fails");
    let step = RotationStep::Activate { key: id.clone() };
    StepDecision::take_step(RotationPhase::Drifted, step, why).with_help(format!(
        "`keytide rotate --user {}` activates the key: run it now, a schedule may come a day later",
        case.seen.user
    ))
}

/// A destination holds a key that is inactive because it is compromised. To activate it would give it back to those who
/// have a copy, so a person decides.
fn block_compromised_reference(case: &Situation<'_>, place: &DestinationId, id: &KeyId) -> StepDecision {
    StepDecision::wait(
        RotationPhase::Blocked,
        format!(
            "{id}, which is compromised and inactive, is in `{place}`: what reads it there does not work"
        ),
    )
    .with_help(format!(
        "write the new key there again; to activate the compromised key all the same: {}",
        case.forced_rollback()
    ))
}

/// A destination holds a key that a person deactivated, who may have had a reason.
fn block_deactivated_reference(case: &Situation<'_>, place: &DestinationId, id: &KeyId) -> StepDecision {
    let why = format!("{id} is in `{place}`, and someone deactivated it: what reads it there fails");
    StepDecision::wait(RotationPhase::Blocked, why).with_help(case.activate_by_hand(id))
}

/// Whether a rollback is already replacing the new key, which was deleted or deactivated, by the old one in the destinations.
fn is_taken_back(case: &Situation<'_>, id: &KeyId) -> bool {
    let is_asked = case.seen.request.rollback;
    case.open_rotation().is_some_and(|rotation| {
        rotation.new_key() == Some(id)
            && rotation.old.as_ref().is_none_or(|old| case.find_key(old).is_some())
            && (is_asked || rotation.rollback.is_some())
    })
}

/// What to do about a deleted key that a destination holds.
fn recovery_help(case: &Situation<'_>, id: &KeyId) -> String {
    let user = &case.seen.user;
    let rotation = case.open_rotation();
    let old = rotation.and_then(|rotation| rotation.old.as_ref()).filter(|key| case.find_key(key).is_some());
    let new = rotation.and_then(OpenRotation::new_key).filter(|key| case.find_key(key).is_some());
    let pull = case.pull_request().filter(|proposal| proposal.is_open());
    match (old, new, pull) {
        (Some(old), None, _) if old != id => {
            format!("go back to {old}, which still exists: {}", case.command("rollback"))
        }
        (None, Some(new), Some(pull)) => {
            format!("merge pull request #{}, which brings {new}", pull.number)
        }
        _ if case.keys.is_empty() => format!(
            "`aws iam create-access-key --user-name {user}`, write that key to it, then `keytide resume --user {user} --reason TEXT`"
        ),
        _ => format!("write an existing key to it, then `keytide resume --user {user} --reason TEXT`"),
    }
}

/// Discards a key that a run created without storing its secret.
pub fn discard_orphan_key(case: &Situation<'_>) -> Option<StepDecision> {
    let key = case.keys.iter().find(|key| is_orphan(case, key))?;
    let reported_at = key.created + USAGE_REPORT_LAG;
    if reported_at > case.now {
        // A person may have created a key in the same minutes; a use would show that, hours later
        let why = format!(
            "{} was created when a run of keytide ended early; AWS reports last use up to 4 h late; checking again after {}",
            key.id,
            format_moment(reported_at)
        );
        return Some(StepDecision::wait(RotationPhase::Orphan, why).wait_until(reported_at));
    }
    let step = RotationStep::Discard { key: key.id.clone(), delete: key.is_inactive() };
    let why =
        format!("{} was created by a run that ended before it stored the secret: no one has it", key.id);
    Some(StepDecision::take_step(RotationPhase::Orphan, step, why))
}

fn is_orphan(case: &Situation<'_>, key: &ObservedKey) -> bool {
    let in_time = case
        .journal
        .unconfirmed_creations
        .iter()
        // The announcement has GitHub's time and the key AWS's, so the key may seem to be older
        .any(|tried| (*tried - MAX_CLOCK_SKEW..=*tried + REQUEST_LIFETIME).contains(&key.created));
    let ours = case.open_rotation().is_some_and(|rotation| rotation.is_own_key(&key.id));
    in_time
        && !ours
        // A key that a destination holds or held has a secret that is known there
        && !case.journal.key_by_fingerprint.values().any(|known| *known == key.id)
        // In both lists: a key created after the first list is announced in a journal that this run may not have read
        && case.was_listed(&key.id)
        // Unknown is not "never used": without the last use no key counts as an orphan
        && key.last_used.known() == Some(&None)
        && case.is_referenced(&key.id) == Ok(None)
}

/// Waits for what only a person can fix.
pub fn check_blockers(case: &Situation<'_>) -> Option<StepDecision> {
    // A status that is not known could permit or forbid anything
    if let Some(key) = case.keys.iter().find(|key| key.status == KeyState::Other) {
        return Some(blocked(
            format!("{} has a status that this version does not know", key.id),
            "check the key in the IAM console, and upgrade keytide",
        ));
    }
    if let Some(rotation) = case.open_rotation() {
        // The other keys of a retiring user go after this one, each by itself
        if rotation.retires {
            return None;
        }
        let key = case.keys.iter().find(|key| !rotation.is_own_key(&key.id))?;
        return Some(foreign_key_blocker(case, rotation, key));
    }
    match case.keys {
        // Several keys do not block a retirement, which takes one after the other
        _ if case.rules.may_retire => None,
        // Not a blocker: a row below makes the first key
        [] if case.rules.may_rotate => None,
        [] => Some(blocked(
            "the user has no access key",
            "list it with `rotation`, and keytide makes its first key; or remove the entry",
        )),
        [only] if !only.is_active() => Some(blocked(
            format!("the user's only key {} is inactive", only.id),
            "activate it, or delete it and create another",
        )),
        [_] => None,
        _ => Some(two_keys_blocker(case)),
    }
}

/// A key that is none of the rotation under way.
fn foreign_key_blocker(case: &Situation<'_>, rotation: &OpenRotation, key: &ObservedKey) -> StepDecision {
    let end =
        format!("write it to the destinations, then {}, which ends the rotation", case.command("resume"));
    let has_new = rotation.new_key().is_some_and(|new| case.find_key(new).is_some());
    match (&rotation.old, case.lost_key()) {
        (Some(old), _) if rotation.staged.is_none() && case.find_key(old).is_none() => {
            let help = format!(
                "write it to the destinations, then `keytide resume --user {} --reason TEXT`",
                case.seen.user
            );
            blocked(format!("{old} was deleted by hand, and there is {} instead", key.id), help)
        }
        (Some(_), Some(lost)) if !has_new => blocked(
            format!("{lost} and the key that was to replace it are gone, and there is {}", key.id),
            end,
        ),
        (None, lost) if rotation.staged.is_none() || lost.is_some() => {
            let why = format!(
                "the user was to get its first key, and there is {}, which keytide did not make",
                key.id
            );
            blocked(why, format!("if it is the user's: {end}; otherwise delete it"))
        }
        _ => {
            let why = format!(
                "{} is in no entry of the journal, so that keytide did not make it, or the entry was lost",
                key.id
            );
            // Entries may be missing from the journal, and it may be the very key that applications use
            let unknown = case.destination_with_foreign_key(rotation).filter(|_| rotation.staged.is_none());
            let help = match unknown {
                Some(frozen) => format!(
                    "it may be the key in `{}`: delete nothing before you know; {} ends the rotation",
                    frozen.destination,
                    case.command("resume")
                ),
                None => "find out who uses it; the rotation continues once it is deleted".to_owned(),
            };
            blocked(why, help)
        }
    }
}

fn blocked(why: impl Into<String>, help: impl Into<String>) -> StepDecision {
    StepDecision::wait(RotationPhase::Blocked, why).with_help(help)
}

fn describe_key(key: &ObservedKey) -> String {
    let status = if key.is_active() { "active" } else { "inactive" };
    let used = match key.last_used.known_or_reason() {
        Ok(Some(used)) => format!("last used at {} by {}", used.at, used.service),
        Ok(None) => "never used".to_owned(),
        Err(why) => format!("last use unknown ({why})"),
    };
    format!("{} ({status}, {used})", key.id)
}

/// A user with several keys and no rotation: reports what IAM knows of each key; keytide does not guess which one is used.
fn two_keys_blocker(case: &Situation<'_>) -> StepDecision {
    let keys: Vec<String> = case.keys.iter().map(describe_key).collect();
    let why = format!("the user has {} keys and no rotation: {}", keys.len(), keys.join(", "));
    let user = &case.seen.user;
    let help = match (idle_key(case.keys), destinations_with_credential(case)) {
        (Some(idle), held) => idle_key_help(user, idle, held),
        (None, Some(held)) => format!(
            "find out which key {held} (decrypt to see), and keep that one: a use by sts may be keytide's own test. Then the other: `aws iam update-access-key --user-name {user} --access-key-id KEY --status Inactive`; delete it later, if nothing failed"
        ),
        (None, None) => "keep the one that the application uses, deactivate and later delete the other; a use by sts may be keytide's own test".to_owned(),
    };
    StepDecision::wait(RotationPhase::Blocked, why).with_help(help)
}

/// How to do without a key that seems idle. Its last use says less than the destinations: an application may not have read
/// its new key yet.
fn idle_key_help(user: &str, idle: &ObservedKey, held: Option<String>) -> String {
    let id = &idle.id;
    let condition = held.map(|held| format!("{held} the other key (decrypt to see)"));
    if idle.is_active() {
        let condition = condition.unwrap_or_else(|| format!("nothing needs {id}"));
        return format!(
            "if {condition}: `aws iam update-access-key --user-name {user} --access-key-id {id} --status Inactive`; delete it later, if nothing failed"
        );
    }
    let condition = condition.map(|condition| format!("{condition}, and ")).unwrap_or_default();
    format!(
        "if {condition}nothing failed since {id} became inactive: `aws iam delete-access-key --user-name {user} --access-key-id {id}`; otherwise activate it and deactivate the other"
    )
}

/// The destinations that hold a credential, with the verb: which key it is, only a journal says.
fn destinations_with_credential(case: &Situation<'_>) -> Option<String> {
    let mut held = Vec::new();
    for place in &case.seen.destinations {
        if matches!(place.fingerprint, Observed::Known(Some(_))) {
            held.push(format!("`{}`", place.id));
        }
    }
    match &held[..] {
        [] => None,
        [one] => Some(format!("{one} has")),
        several => Some(format!("{} have", several.join(" and "))),
    }
}

/// The inactive key, else the one that was used longest ago. `None` if a use by STS leaves that open: keytide tests the keys
/// it creates with STS, so such a use need not be an application's.
fn idle_key(keys: &[ObservedKey]) -> Option<&ObservedKey> {
    if let Some(inactive) = keys.iter().find(|key| key.is_inactive()) {
        return Some(inactive);
    }
    let mut uses: Vec<(&ObservedKey, Option<&KeyUse>)> = Vec::new();
    for key in keys {
        uses.push((key, key.last_used.known()?.as_ref()));
    }
    let (idle, last) = *uses.iter().min_by_key(|(_, used)| used.map(|used| used.at))?;
    let others = uses.iter().filter(|(key, _)| key.id != idle.id);
    let is_unclear = others.filter_map(|(_, used)| *used).any(|used| &*used.service == "sts");
    if last.is_some() && is_unclear { None } else { Some(idle) }
}
