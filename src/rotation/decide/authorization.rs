//! Decides whether this run may take a step: the owner tag must name this repository, no stop file may exist, and no other
//! run may have claimed the user.

use super::decision::StepDecision;
use super::situation::Situation;
use crate::rotation::timing::{CLAIM_MARGIN, HEARTBEAT_INTERVAL};
use crate::rotation::{OwnerTag, RotationPhase, RotationStep};

/// Returns the decision, or the refusal or claim that must come first.
pub fn authorize_step(case: &Situation<'_>, decision: StepDecision) -> StepDecision {
    // A wait needs no claim, but the journal must show that keytide still runs
    if decision.step == RotationStep::Wait {
        return add_heartbeat(case, decision);
    }
    if let Some(refusal) = find_refusal(case) {
        return StepDecision { step: RotationStep::Wait, ..refusal };
    }
    if !case.needs_claim {
        return decision;
    }
    // The claim comes last, so that a run which may not write leaves no trace in the journal
    match &case.journal.claim {
        Some(claim) if claim.excludes(&case.seen.run, case.now) => {
            let why = format!("run {} is working on this user; next: {}", claim.run, decision.step);
            StepDecision::wait(decision.phase, why).wait_until(claim.until)
        }
        // With a margin: a claim that expires during the step would let another run act at the same time
        Some(claim) if claim.run == case.seen.run && claim.until > case.now + CLAIM_MARGIN => decision,
        _ => StepDecision { step: RotationStep::Claim, ..decision },
    }
}

/// Why this repository may not write for the user, or not now.
fn find_refusal(case: &Situation<'_>) -> Option<StepDecision> {
    match case.seen.owner.known_or_reason() {
        Ok(OwnerTag::ThisRepository) => {}
        Ok(OwnerTag::Missing { repository }) => {
            let help = format!(
                "if this repository is the one that rotates the user: `aws iam tag-user --user-name {} --tags Key=keytide:owner,Value={repository}`",
                case.seen.user
            );
            let why = "the user has no tag `keytide:owner`";
            return Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help));
        }
        Ok(OwnerTag::OtherRepository(id)) => {
            let help = "only one repository may rotate a user: remove the user from this policy file, or change the tag";
            let why = format!("the tag `keytide:owner` names repository {id}");
            return Some(StepDecision::wait(RotationPhase::Blocked, why).with_help(help));
        }
        Err(why) => {
            return Some(StepDecision::wait(
                RotationPhase::Unknown,
                format!("the owner tag could not be read: {why}"),
            ));
        }
    }
    match case.seen.is_stopped.known_or_reason() {
        Ok(false) => None,
        Ok(true) => {
            let why = "`.github/keytide.stop` is on the default branch";
            let decision = StepDecision::wait(RotationPhase::Blocked, why);
            Some(decision.with_help("remove the file to continue rotations"))
        }
        Err(why) => {
            let why = format!("`.github/keytide.stop` could not be read: {why}");
            Some(StepDecision::wait(RotationPhase::Unknown, why))
        }
    }
}

/// Replaces a wait by a heartbeat once a day, unless another run has claimed the user or writing is not allowed.
fn add_heartbeat(case: &Situation<'_>, decision: StepDecision) -> StepDecision {
    let silent =
        case.journal.last_entry_at.is_some_and(|touched| case.time_since(touched) > HEARTBEAT_INTERVAL);
    // An entry here would move the journal's head and make the next append of the run that has the claim fail
    let claim = case.journal.claim.as_ref();
    let alone = claim.is_none_or(|claim| !claim.excludes(&case.seen.run, case.now));
    let sound = case.journal.fault.is_none() && case.journal.unknown_event.is_none();
    if case.open_rotation().is_some() && silent && alone && sound && find_refusal(case).is_none() {
        return StepDecision { step: RotationStep::Heartbeat, ..decision };
    }
    decision
}
