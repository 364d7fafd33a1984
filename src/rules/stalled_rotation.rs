//! `stalled-rotation`: a rotation waits for a person, or has waited longer than it should.

use super::input::format_elapsed;
use super::{FindingCollector, RequiredInput, RotationStatus, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::rotation::RotationPhase;
use crate::rotation::timing::{MAX_DELETION_WAIT, MAX_RUN_GAP, MAX_WAIT};

pub struct StalledRotation;

static META: RuleMeta = RuleMeta {
    name: "stalled-rotation",
    severity: Severity::Error,
    required_input: RequiredInput::Rotations,
    summary: "a rotation waits for a person, has waited longer than it should, no run has looked at it for 3 days, or its user was removed from the policy file (a warning)",
    rationale: "Until a rotation ends two keys are active; and GitHub stops the schedules of repositories in which nothing happens.",
    remediation: "Do what the message names; run the workflow of `keytide rotate` by hand if its schedule has stopped.",
};

const REMOVED_MESSAGE: &str = "the policy file no longer lets this user be rotated; the rotation under way is finished, and none follows";
const REMOVED_HELP: &str = "let its runs go on until then, or list the user with `rotation` again";

impl Rule for StalledRotation {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        for (user, standing) in facts.rotations.into_iter().flatten() {
            let entry = facts.policy.find_user_policy(user, None);
            let at = entry.map_or(Position::START, |entry| entry.at);
            if standing.under_way && entry.is_none_or(|entry| entry.rotation.is_none()) {
                verdict
                    .add_user_finding(&META, user, at, REMOVED_MESSAGE.to_owned())
                    .set_severity(Severity::Warning)
                    .set_help(REMOVED_HELP);
            }
            let Some(message) = stall_message(standing, facts) else { continue };
            let finding = verdict.add_user_finding(&META, user, at, message);
            if let Some(help) = &standing.help {
                finding.set_help(help.clone());
            }
        }
    }
}

fn stall_message(standing: &RotationStatus, facts: &RuleInput<'_>) -> Option<String> {
    let since = |at: jiff::Timestamp| facts.now.duration_since(at);
    if standing.phase.needs_person() {
        return Some(format!("{}: {}", standing.phase, standing.reason));
    }
    let patience = if standing.phase == RotationPhase::Soaking { MAX_DELETION_WAIT } else { MAX_WAIT };
    if let Some(at) = standing.waiting_since.filter(|at| since(*at) > patience) {
        return Some(format!("{} for {}: {}", standing.phase, format_elapsed(since(at)), standing.reason));
    }
    let silent = standing.last_entry_at.filter(|at| standing.under_way && since(*at) > MAX_RUN_GAP)?;
    Some(format!(
        "no run has looked at this rotation for {}: {}",
        format_elapsed(since(silent)),
        standing.reason
    ))
}
