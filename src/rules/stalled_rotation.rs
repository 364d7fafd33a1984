//! `stalled-rotation`: a rotation needs manual action, has waited longer than it should, has not been run for 3
//! days, or its user was removed from the policy file (a warning).

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
    summary: "a rotation needs manual action, has waited longer than it should, has not been run for 3 days, or its user was removed from the policy file (a warning)",
    rationale: "Two keys stay active until a rotation ends. GitHub also disables scheduled workflows in inactive repositories.",
    remediation: "Follow the message; if the schedule has stopped, run the `keytide rotate` workflow by hand.",
};

const REMOVED_MESSAGE: &str = "the policy file no longer has `rotation` for this user; the current rotation will finish, and no other will start";
const REMOVED_HELP: &str = "keep the workflow running until then, or list the user with `rotation` again";

impl Rule for StalledRotation {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for (user, standing) in input.rotations.into_iter().flatten() {
            let entry = input.policy.find_user_policy(user, None);
            let at = entry.map_or(Position::START, |entry| entry.at);
            // The journal keeps the rotation alive without the policy, which its author may not expect.
            if standing.under_way && entry.is_none_or(|entry| entry.rotation.is_none()) {
                findings
                    .add_user_finding(&META, user, at, REMOVED_MESSAGE.to_owned())
                    .set_severity(Severity::Warning)
                    .set_help(REMOVED_HELP);
            }
            let Some(message) = stall_message(standing, input) else { continue };
            let finding = findings.add_user_finding(&META, user, at, message);
            if let Some(help) = &standing.help {
                finding.set_help(help.clone());
            }
        }
    }
}

fn stall_message(standing: &RotationStatus, input: &RuleInput<'_>) -> Option<String> {
    if standing.phase.needs_person() {
        return Some(format!("{}: {}", standing.phase, standing.reason));
    }
    // A soak lasts days by design, so a longer wait is normal in that phase.
    let patience = if standing.phase == RotationPhase::Soaking { MAX_DELETION_WAIT } else { MAX_WAIT };
    if let Some(since) = standing.waiting_since {
        let waited = input.now.duration_since(since);
        if waited > patience {
            return Some(format!("{} for {}: {}", standing.phase, format_elapsed(waited), standing.reason));
        }
    }
    let gap = input.now.duration_since(standing.last_entry_at?);
    if !standing.under_way || gap <= MAX_RUN_GAP {
        return None;
    }
    Some(format!("no run for {}: {}", format_elapsed(gap), standing.reason))
}
