//! `stalled-rotation`: a rotation needs manual action, has waited longer than it should, has not been run for 3
//! days, or its user was removed from the policy file (a warning).

use jiff::Timestamp;

use super::input::format_elapsed;
use super::{FindingCollector, RequiredInput, RotationStatus, Rule, RuleInput, RuleMeta, Severity};
use crate::diagnostic::Position;
use crate::rotation::timing::MAX_RUN_GAP;

pub struct StalledRotation;

static META: RuleMeta = RuleMeta {
    name: "stalled-rotation",
    severity: Severity::Error,
    required_input: RequiredInput::Rotations,
    summary: "a rotation needs manual action, has waited longer than it should, has not been run for 3 days, or its user was removed from the policy file (a warning)",
    rationale: "Two keys stay active until a rotation ends. Reported at once: the phases held, quarantined and blocked, closed while a leaked key stays active, drifted and rolling-back while what reads a destination fails, and a rollback that keytide began because a store rejected the new key. After 7 days: a pull request, also one of a rollback, that is not merged; an old key that is still used, or a new one that is not, after the grace period; a deployment that has not ended by then; a store that does not take the new key; a rotation that cannot create its key; a key that is to be retired and that something still refers to or uses. After 14 days: a key whose soak is over and that is not deleted. After 3 days: no run, because GitHub disables scheduled workflows in inactive repositories.",
    remediation: "Do what the message asks: `keytide plan --user NAME` shows the reason, the keys and the next step. If no run takes place, start the workflow of `keytide rotate` by hand.",
};

const REMOVED_MESSAGE: &str = "the policy file no longer has `rotation` for this user; the current rotation will finish, and no other will start";
const NO_RUN_HELP: &str =
    "start the workflow of `keytide rotate` by hand, and see under Actions whether its schedule is enabled";
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
            // A retirement stops instead, and its phase says so.
            if standing.under_way
                && !standing.retires
                && entry.is_none_or(|entry| entry.key_changes().is_none())
            {
                findings
                    .add_user_finding(&META, user, at, REMOVED_MESSAGE.to_owned())
                    .set_severity(Severity::Warning)
                    .set_help(REMOVED_HELP);
            }
            let silent_since = find_silence(standing, input);
            let Some(message) = stall_message(standing, silent_since, input) else { continue };
            let finding = findings.add_user_finding(&META, user, at, message);
            let no_run = silent_since.map(|_| NO_RUN_HELP.to_owned());
            let help: Vec<&str> =
                [&no_run, &standing.help].into_iter().flatten().map(String::as_str).collect();
            if !help.is_empty() || standing.pull_request_url.is_some() {
                finding.set_help(help.join("; "));
            }
            if let Some(page) = &standing.pull_request_url {
                finding.add_page(page);
            }
        }
    }
}

/// Why a rotation needs a person, also where the runs have stopped.
fn stall_message(
    standing: &RotationStatus,
    silent_since: Option<Timestamp>,
    input: &RuleInput<'_>,
) -> Option<String> {
    if standing.phase.needs_person() {
        return Some(format!("{}: {}", standing.phase, standing.reason));
    }
    if let Some(wait) = standing.wait
        && wait.is_over(input.now)
    {
        let waited = format_elapsed(input.now.duration_since(wait.since));
        let since = match wait.ended {
            Some(ended) => format!("the {ended} ended {waited} ago"),
            None if wait.is_urgent() => standing.phase.to_string(),
            None => format!("{} for {waited}", standing.phase),
        };
        // Perhaps because no run looked
        let silence = silent_since
            .map(|since| format!("; no run for {}", format_elapsed(input.now.duration_since(since))));
        return Some(format!("{since}: {}{}", standing.reason, silence.unwrap_or_default()));
    }
    let gap = input.now.duration_since(silent_since?);
    Some(format!("no run for {}: {}", format_elapsed(gap), standing.reason))
}

/// When the last run took place, if that is too long ago.
fn find_silence(standing: &RotationStatus, input: &RuleInput<'_>) -> Option<Timestamp> {
    // Without a rotation no run writes to the journal, so its silence means nothing
    let last = standing.last_entry_at.filter(|_| standing.under_way)?;
    if input.now.duration_since(last) > MAX_RUN_GAP { Some(last) } else { None }
}
