//! Completes a decision for the person on call: why a rollback began, what to do in each phase, and what a request could
//! not do.

use super::decision::{Advice, StepDecision};
use super::situation::{HeldKey, Situation};
use crate::dates::{format_day, format_moment};
use crate::destinations::kind::describe_removal;
use crate::destinations::wording::name_destinations;
use crate::rotation::{KeyId, Observed, ObservedKey, OpenRotation, RotationPhase, RotationStep};
use crate::sentences::{begin_sentence, describe_wait, join_words};

/// Adds to the texts of a decision what the row that decided does not say. The phase and the step stay.
pub fn complete_texts(case: &Situation<'_>, decision: StepDecision) -> StepDecision {
    let (why, help) = (complete_reason(case, &decision), complete_help(case, &decision));
    let why = name_places(case, &why.unwrap_or(decision.why));
    let help = help.or(decision.help);
    let help = help.map(|help| Advice { text: name_places(case, &help.text).into_boxed_str(), ..help });
    StepDecision { why, help, ..decision }
}

/// A text with the user's destinations in the words of their products. The journal keeps their IDs.
fn name_places(case: &Situation<'_>, text: &str) -> String {
    let seen = case.seen.destinations.iter().map(|place| &*place.id);
    let open = case.open_rotation().map(|rotation| &*rotation.destinations).unwrap_or_default();
    name_destinations(text, seen.chain(open.iter().map(|frozen| &*frozen.destination)))
}

/// The reason with why and when the rollback began, or the new key was given up: the person who looks may not be the one
/// who asked for it.
fn complete_reason(case: &Situation<'_>, decision: &StepDecision) -> Option<String> {
    let rotation = case.open_rotation()?;
    let back = rotation.rollback_reason.as_deref().zip(rotation.rollback);
    let abandoned = rotation.abandon_reason.as_deref().zip(rotation.abandoned_at);
    let (what, (reason, at)) = match back {
        Some(back) => ("rolling back since", back),
        None => ("the new key was given up on", abandoned?),
    };
    let why = match rotation.old.as_ref().filter(|_| decision.phase == RotationPhase::Closed) {
        Some(old) if is_leaked(case, rotation) && case.seen.active_old_key(rotation).is_some() => {
            format!("the leaked key {old} is active, and this rotation does not replace it; {}", decision.why)
        }
        _ => decision.why.clone(),
    };
    // The row may have quoted it already
    if decision.why.contains(reason) {
        return Some(why);
    }
    Some(format!("{why}; {what} {} ({reason})", format_day(at)))
}

fn complete_help(case: &Situation<'_>, decision: &StepDecision) -> Option<Advice> {
    let help = match (&decision.help, case.open_rotation()) {
        (None, Some(rotation)) => phase_help(case, rotation, decision),
        (help, _) => help.clone(),
    };
    let has_stopped = decision.phase.needs_person() || decision.phase == RotationPhase::RollingBack;
    if case.seen.request.compromised && has_stopped {
        let help = help.map(|help| help.text).unwrap_or_default();
        return Some(Advice::ask(compromised_help(case, decision.phase, &help)));
    }
    match (leaked_key_help(case, decision), help) {
        (Some(leaked), Some(help)) => Some(Advice::ask(format!("{leaked}. {}", begin_sentence(&help.text)))),
        (leaked, help) => leaked.map(Advice::ask).or(help),
    }
}

/// A key that has leaked is active until the rotation has come that far: says until when, and how to stop it at once.
fn leaked_key_help(case: &Situation<'_>, decision: &StepDecision) -> Option<String> {
    let rotation = case.open_rotation()?;
    let is_forward = rotation.rollback.is_none() && rotation.abandoned_at.is_none();
    let old = case.seen.active_old_key(rotation)?;
    if !is_leaked(case, rotation) || !is_forward || decision.step != RotationStep::Wait {
        return None;
    }
    let pull = case.seen.pull_request.known().and_then(Option::as_ref);
    let until = match pull.filter(|pull| pull.is_open()) {
        Some(pull) => {
            format!("until pull request #{} is merged and the next run deactivates it", pull.number)
        }
        None => "until a run deactivates it".to_owned(),
    };
    Some(format!("the leaked key {old} stays active {until}. {}", stop_command(case, old)))
}

fn is_leaked(case: &Situation<'_>, rotation: &OpenRotation) -> bool {
    rotation.compromised || case.seen.request.compromised
}

/// A rotation that was to replace a leaked key was given up: until the next one nothing replaces it.
fn closed_leak_help(case: &Situation<'_>, rotation: &OpenRotation, leaked: &KeyId) -> String {
    let (user, stop) = (&case.seen.user, stop_command(case, leaked));
    let again = format!("`keytide rotate --user {user}`");
    let unused = rotation.new_key().filter(|new| case.find_key(new).is_some());
    match unused.filter(|_| case.destination_with_new_key(rotation).is_none()) {
        Some(new) => format!(
            "the leaked key {leaked} stays active: this rotation was given up, and the next one begins when {new} is deleted. {stop}. \
             If nothing uses {new}, the next one can begin at once: `aws iam delete-access-key --user-name {user} --access-key-id {new}`, \
             then {again}"
        ),
        None => {
            format!("the leaked key {leaked} stays active: this rotation was given up. {stop}. Then {again}")
        }
    }
}

/// A rotation that was given up: what becomes of the new key, and when the next rotation comes.
fn closed_help(case: &Situation<'_>, rotation: &OpenRotation, old: &KeyId) -> String {
    let (quiet, soak) = (describe_wait(case.rules.quiet), describe_wait(case.rules.soak));
    let new = rotation.new_key().and_then(|new| case.find_key(new));
    let course = match new {
        Some(key) if key.is_active() => format!(
            "is deactivated by the first run that finds it unused for {quiet}, and deleted {soak} later"
        ),
        Some(_) => "is deleted when its soak is over".to_owned(),
        None => "no longer exists".to_owned(),
    };
    let is_due = case.find_key(old).is_some_and(|key| case.time_since(key.created) >= case.rules.start_at);
    let next = match new.filter(|_| case.destination_with_new_key(rotation).is_none()) {
        _ if !is_due => String::new(),
        Some(new) => format!(
            "; then the next rotation begins. It begins with the next run if nothing uses {id} and you delete it: \
             `aws iam delete-access-key --user-name {} --access-key-id {id}`",
            case.seen.user,
            id = new.id
        ),
        None => "; then the next rotation begins".to_owned(),
    };
    format!(
        ": {old} stays in use. The new key {course}{next}. \
         To open the pull request again does not bring it back"
    )
}

/// How to deactivate a leaked key by hand.
fn stop_command(case: &Situation<'_>, leaked: &KeyId) -> String {
    format!(
        "To stop {leaked} at once, whatever still uses it: `aws iam update-access-key --user-name {} --access-key-id {leaked} --status Inactive`",
        case.seen.user
    )
}

/// What to do in a phase whose row gives no advice of its own.
fn phase_help(case: &Situation<'_>, rotation: &OpenRotation, decision: &StepDecision) -> Option<Advice> {
    let back = case.command("rollback");
    let Some(old) = &rotation.old else { return advise_on_first_key(case, rotation, decision) };
    Some(match decision.phase {
        RotationPhase::Retiring
            if decision.step == RotationStep::Wait && !decision.why.contains("keytide rollback") =>
        {
            retirement_help(case, old, &back)
        }
        RotationPhase::Unknown => {
            Advice::ask("nothing is changed until it can be read; the keys stay as they are")
        }
        RotationPhase::RollingBack if rotation.new_key().is_some() => {
            Advice::ask(rolling_back_help(case, rotation, decision))
        }
        RotationPhase::Closed
            if is_leaked(case, rotation) && case.seen.active_old_key(rotation).is_some() =>
        {
            Advice::ask(closed_leak_help(case, rotation, old))
        }
        RotationPhase::Closed => Advice::nothing_to_do(closed_help(case, rotation, old)),
        // The reason of a soak names the command already
        RotationPhase::Merged | RotationPhase::Grace | RotationPhase::Soaking
            if decision.step == RotationStep::Wait && !decision.why.contains("keytide rollback") =>
        {
            Advice::nothing_to_do(format_args!("; to go back to {old}: {back}"))
        }
        _ => return None,
    })
}

/// The same for the user's first key, which has none before it.
fn advise_on_first_key(
    case: &Situation<'_>,
    rotation: &OpenRotation,
    decision: &StepDecision,
) -> Option<Advice> {
    Some(match decision.phase {
        RotationPhase::Unknown => Advice::ask("nothing is changed until it can be read"),
        RotationPhase::RollingBack if rotation.new_key().is_some() => {
            Advice::ask(rolling_back_help(case, rotation, decision))
        }
        RotationPhase::Closed => Advice::nothing_to_do(": the key is deleted when nothing needs it"),
        RotationPhase::Merged | RotationPhase::Grace if decision.step == RotationStep::Wait => {
            Advice::nothing_to_do(format_args!("; to take the key back: {}", case.command("rollback")))
        }
        _ => return None,
    })
}

/// What still keeps a key that is to go: each destination that holds a credential, and what names the key's ID.
fn retirement_help(case: &Situation<'_>, old: &KeyId, back: &str) -> Advice {
    let mut removals = Vec::new();
    for place in &case.seen.destinations {
        match &place.fingerprint {
            Observed::Known(None) => {}
            Observed::Known(Some(_)) => removals.push(describe_removal(&place.id)),
            _ => removals.push(format!("let keytide read `{}`: the reason says what failed", place.id)),
        }
    }
    if case.seen.key_mentions.known().is_some_and(|mentions| mentions.contains_key(old)) {
        removals.push(
            "take the access key ID out of the file or the pull request that the reason names".to_owned(),
        );
    }
    if removals.is_empty() {
        return Advice::nothing_to_do(format_args!("; to keep {old}: {back}"));
    }
    Advice::ask(format!("once nothing needs the key: {}; to keep {old}: {back}", removals.join("; ")))
}

fn rolling_back_help(case: &Situation<'_>, rotation: &OpenRotation, decision: &StepDecision) -> String {
    let revert = case.seen.revert_pull_request.known().and_then(Option::as_ref);
    let next = match revert.filter(|revert| revert.is_open()) {
        Some(revert) => open_revert_help(case, rotation, revert.number),
        None => continue_rollback_help(case, rotation, decision),
    };
    let mut sentences = Vec::new();
    sentences.extend(rotation.store_that_caused_rollback().map(|store| {
        format!("fix why `{store}` rejected the key, which the reason says: the next rotation needs it")
    }));
    sentences.extend(restart_help(case, rotation));
    sentences.push(next);
    let later = sentences.split_off(1).into_iter().map(|sentence| begin_sentence(&sentence));
    sentences.into_iter().chain(later).collect::<Vec<_>>().join(". ")
}

/// A rollback without an open pull request.
fn continue_rollback_help(case: &Situation<'_>, rotation: &OpenRotation, decision: &StepDecision) -> String {
    let mut files = case.destinations_in(rotation, true);
    let has_proposed = case.seen.revert_pull_request.known().is_some_and(Option::is_some);
    let what = match !has_proposed && files.any(|(_, holds)| holds == HeldKey::New) {
        true => "opens the rollback's pull request, which waits for your merge",
        false => "goes on with the rollback",
    };
    let when = match decision.until.filter(|_| decision.step == RotationStep::Wait) {
        Some(at) => format!("after {}", format_moment(at)),
        None => "now".to_owned(),
    };
    format!(
        "run `keytide rotate --user {}` {when}, or wait for the scheduled run: it {what}. The rollback ends in the phase `held`; then {}",
        case.seen.user,
        case.command("resume")
    )
}

/// What has read the new key from a store goes on using it, where nothing deploys it again.
fn restart_help(case: &Situation<'_>, rotation: &OpenRotation) -> Option<String> {
    let is_over = case.destination_with_new_key(rotation).is_none();
    let new = rotation.new_key().filter(|new| case.find_key(new).is_some_and(ObservedKey::is_active))?;
    if !is_over || rotation.delivered.is_empty() || rotation.makes_first_key() || case.rules.redeploy {
        return None;
    }
    let stores: Vec<String> = rotation.delivered.keys().map(|store| format!("`{store}`")).collect();
    Some(format!(
        "restart what has read {new} from {} and does not reload its credential",
        join_words(&stores)
    ))
}

/// What to do with the rollback's pull request.
fn open_revert_help(case: &Situation<'_>, rotation: &OpenRotation, number: u64) -> String {
    let holds_new = case.destinations_in(rotation, true).any(|(_, held)| held == HeldKey::New);
    match case.seen.failing_destination() {
        _ if !holds_new => {
            format!(
                "no file holds the new key any more: merge or close pull request #{number}, which nothing waits for"
            )
        }
        Some((place, id)) => {
            format!(
                "merge pull request #{number} now: {id}, which `{}` holds, is inactive or gone, and what reads it there fails until then",
                place.id
            )
        }
        None => format!("merge pull request #{number} soon; no key is deactivated until then"),
    }
}

/// `--compromised` cannot hurry a rotation that waits for a person: it says which keys work meanwhile, and how to stop one.
/// The journal may have it noted already, by a run before the rotation stopped or went back; that counts after `resume`.
fn compromised_help(case: &Situation<'_>, phase: RotationPhase, help: &str) -> String {
    let active: Vec<&KeyId> = case.keys.iter().filter(|key| key.is_active()).map(|key| &key.id).collect();
    let stay = match active[..] {
        [] => return help.to_owned(),
        [one] => format!("{one} stays active"),
        _ => "both keys stay active".to_owned(),
    };
    let leaked = case.open_rotation().and_then(|rotation| rotation.old.as_ref()).unwrap_or(active[0]);
    let open = case.open_rotation();
    // A journal with a fault loses its open rotation when it is resumed
    let is_noted = case.journal.fault.is_none()
        && (case.journal.compromised || open.is_some_and(|rotation| rotation.compromised));
    let mut text = match is_noted {
        true if phase == RotationPhase::Blocked => {
            format!(
                "`--compromised` is noted and takes effect when the rotation goes on: until then {stay}. "
            )
        }
        true => {
            format!("`--compromised` is noted and takes effect after `keytide resume`: until then {stay}. ")
        }
        false => format!("`--compromised` is not noted while the rotation has stopped: {stay}. "),
    };
    if active.contains(&leaked) {
        text.push_str(&format!("{}. ", stop_command(case, leaked)));
    }
    let again = format!("`keytide rotate --user {} --compromised`", case.seen.user);
    match (help.is_empty(), is_noted) {
        (true, true) => text.trim_end().trim_end_matches('.').to_owned(),
        (true, false) => text + &format!("Then {again}"),
        (false, true) => text + &format!("To go on: {help}"),
        (false, false) => text + &format!("To go on: {help}; then {again}"),
    }
}
