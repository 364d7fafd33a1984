//! `stalled-rotation`: a rotation waits for a person, or has waited longer than it should.

use jiff::SignedDuration;

use super::facts::elapsed;
use super::{Facts, Input, Rule, Severity, Standing, Text, Verdict};
use crate::diagnostic::Position;
use crate::rotation::Phase;

pub struct StalledRotation;

/// How long a pull request may be open, or a key in use that should be quiet, before it is an error.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a key may wait for its deletion: many let one run a week delete, after an approval.
const DELETION: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A run notes once a day that it has looked: after so long there were none.
const SILENCE: SignedDuration = SignedDuration::from_hours(3 * 24);

static TEXT: Text = Text {
    name: "stalled-rotation",
    severity: Severity::Error,
    input: Input::Rotations,
    finds: "a rotation waits for a person, has waited longer than it should, no run has looked at it for 3 days, or its user was removed from the policy file (a warning)",
    why: "Until a rotation ends two keys are active; and GitHub stops the schedules of repositories in which nothing happens.",
    fix: "Do what the message names; run the workflow of `keytide rotate` by hand if its schedule has stopped.",
};

const REMOVED: &str = "the policy file no longer lets this user be rotated; the rotation under way is finished, and none follows";
const REMOVED_HELP: &str = "let its runs go on until then, or list the user with `rotation` again";

impl Rule for StalledRotation {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (user, standing) in facts.rotations.into_iter().flatten() {
            let entry = facts.policy.find_user_policy(user, None);
            let at = entry.map_or(Position::START, |entry| entry.at);
            if standing.under_way && entry.is_none_or(|entry| entry.rotation.is_none()) {
                verdict
                    .add_user(&TEXT, user, at, REMOVED.to_owned())
                    .severity(Severity::Warning)
                    .help(REMOVED_HELP);
            }
            let Some(message) = complaint(standing, facts) else { continue };
            let finding = verdict.add_user(&TEXT, user, at, message);
            if let Some(help) = &standing.help {
                finding.help(help.clone());
            }
        }
    }
}

fn complaint(standing: &Standing, facts: &Facts<'_>) -> Option<String> {
    let since = |at: jiff::Timestamp| facts.now.duration_since(at);
    if standing.phase.needs_person() {
        return Some(format!("{}: {}", standing.phase, standing.why));
    }
    let patience = if standing.phase == Phase::Soaking { DELETION } else { PATIENCE };
    if let Some(at) = standing.waits_since.filter(|at| since(*at) > patience) {
        return Some(format!("{} for {}: {}", standing.phase, elapsed(since(at)), standing.why));
    }
    let silent = standing.touched.filter(|at| standing.under_way && since(*at) > SILENCE)?;
    Some(format!("no run has looked at this rotation for {}: {}", elapsed(since(silent)), standing.why))
}
