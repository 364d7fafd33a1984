//! Completes a decision for the person on call: why a rollback began, what to do in each phase, and what a request could
//! not do.

use super::decision::StepDecision;
use super::situation::{Situation, format_day};
use crate::rotation::{KeyId, OpenRotation, PullRequestState, RotationPhase, RotationStep};

/// Adds to the texts of a decision what the row that decided does not say. The phase and the step stay.
pub fn complete_texts(case: &Situation<'_>, decision: StepDecision) -> StepDecision {
    let (why, help) = (complete_reason(case, &decision), complete_help(case, &decision));
    StepDecision { why: why.unwrap_or(decision.why), help: help.or(decision.help), ..decision }
}

/// The reason with why and when the rollback began: the person who looks may not be the one who asked for it.
fn complete_reason(case: &Situation<'_>, decision: &StepDecision) -> Option<String> {
    let rotation = case.open_rotation()?;
    let (reason, at) = rotation.rollback_reason.as_deref().zip(rotation.rollback)?;
    // The row may have quoted it already
    if decision.why.contains(reason) {
        return None;
    }
    Some(format!("{}; rolling back since {}: {reason}", decision.why, format_day(at)))
}

fn complete_help(case: &Situation<'_>, decision: &StepDecision) -> Option<String> {
    let help = match (&decision.help, case.open_rotation()) {
        (None, Some(rotation)) => phase_help(case, rotation, decision),
        (help, _) => help.clone(),
    };
    let has_stopped = decision.phase.needs_person() || decision.phase == RotationPhase::RollingBack;
    if case.seen.request.compromised && has_stopped {
        return Some(compromised_help(case, help.as_deref().unwrap_or_default()));
    }
    match (leaked_key_help(case, decision), help) {
        (Some(leaked), Some(help)) => Some(format!("{leaked}. {help}")),
        (leaked, help) => leaked.or(help),
    }
}

/// A key that has leaked is active until the rotation has come that far: says until when, and how to stop it at once.
fn leaked_key_help(case: &Situation<'_>, decision: &StepDecision) -> Option<String> {
    let rotation = case.open_rotation()?;
    let is_leaked = rotation.compromised || case.seen.request.compromised;
    let is_forward = rotation.rollback.is_none() && rotation.abandoned_at.is_none();
    let old = rotation.old.as_ref()?;
    let is_active = case.find_key(old)?.is_active();
    if !is_leaked || !is_forward || !is_active || decision.step != RotationStep::Wait {
        return None;
    }
    let pull = case.seen.pull_request.known().and_then(Option::as_ref);
    let until = match pull.filter(|pull| matches!(pull.state, PullRequestState::Open { .. })) {
        Some(pull) => {
            format!("until pull request #{} is merged and the next run deactivates it", pull.number)
        }
        None => "until a run deactivates it".to_owned(),
    };
    Some(format!("the leaked key {old} stays active {until}. {}", stop_command(case, old)))
}

/// How to deactivate a leaked key by hand.
fn stop_command(case: &Situation<'_>, leaked: &KeyId) -> String {
    format!(
        "To stop {leaked} at once, whatever still uses it: `aws iam update-access-key --user-name {} --access-key-id {leaked} --status Inactive`",
        case.seen.user
    )
}

/// What to do in a phase whose row gives no advice of its own.
fn phase_help(case: &Situation<'_>, rotation: &OpenRotation, decision: &StepDecision) -> Option<String> {
    let back = case.command("rollback");
    let Some(old) = &rotation.old else { return first_key_help(case, rotation, decision) };
    Some(match decision.phase {
        RotationPhase::Retiring
            if decision.step == RotationStep::Wait && !decision.why.contains("keytide rollback") =>
        {
            format!("nothing to do; to keep {old}: {back}")
        }
        RotationPhase::Unknown => {
            "nothing is changed until it can be read; both keys stay as they are".to_owned()
        }
        RotationPhase::RollingBack if rotation.new_key().is_some() => rolling_back_help(case),
        RotationPhase::Closed => {
            format!("nothing to do: {old} stays in use, and the new key is deleted when nothing needs it")
        }
        // The reason of a soak names the command already
        RotationPhase::Merged | RotationPhase::Grace | RotationPhase::Soaking
            if decision.step == RotationStep::Wait && !decision.why.contains("keytide rollback") =>
        {
            format!("nothing to do; to go back to {old}: {back}")
        }
        _ => return None,
    })
}

/// The same for the user's first key, which has none before it.
fn first_key_help(case: &Situation<'_>, rotation: &OpenRotation, decision: &StepDecision) -> Option<String> {
    Some(match decision.phase {
        RotationPhase::Unknown => "nothing is changed until it can be read".to_owned(),
        RotationPhase::RollingBack if rotation.new_key().is_some() => rolling_back_help(case),
        RotationPhase::Closed => "nothing to do: the key is deleted when nothing needs it".to_owned(),
        RotationPhase::Merged | RotationPhase::Grace if decision.step == RotationStep::Wait => {
            format!("nothing to do; to take the key back: {}", case.command("rollback"))
        }
        _ => return None,
    })
}

fn rolling_back_help(case: &Situation<'_>) -> String {
    let revert = case.seen.revert_pull_request.known().and_then(Option::as_ref);
    match revert {
        Some(revert) if matches!(revert.state, PullRequestState::Open { .. }) => {
            "merge it soon; the keys stay active until then".to_owned()
        }
        _ => format!(
            "nothing to do: the next runs finish the rollback. It ends in the phase `held`; then {}",
            case.command("resume")
        ),
    }
}

/// `--compromised` cannot hurry a rotation that waits for a person: it says which keys work meanwhile, and how to stop one.
fn compromised_help(case: &Situation<'_>, help: &str) -> String {
    let active: Vec<&KeyId> = case.keys.iter().filter(|key| key.is_active()).map(|key| &key.id).collect();
    let stay = match active[..] {
        [] => return help.to_owned(),
        [one] => format!("{one} stays active"),
        _ => "both keys stay active".to_owned(),
    };
    let leaked = case.open_rotation().and_then(|rotation| rotation.old.as_ref()).unwrap_or(active[0]);
    let mut text = format!("`--compromised` has no effect in this phase: {stay}. ");
    if active.contains(&leaked) {
        text.push_str(&format!("{}. ", stop_command(case, leaked)));
    }
    if !help.is_empty() {
        text.push_str(&format!("To go on: {help}; "));
    }
    text + &format!("then `keytide rotate --user {} --compromised`", case.seen.user)
}
