//! The last two lines of a report: how much was found, and the result in one sentence.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::model::Report;
use super::outcome::{ReportOutcome, ReportSummary};
use super::rotation_line::RotationLine;
use crate::dates::format_day;
use crate::error::{COMMAND_LINE, ENVIRONMENT};
use crate::iam::ReadFault;
use crate::rotation::RotationPhase;
use crate::sanitize::escape_line;
use crate::sentences::count_noun;

/// Counts what was found and what was read: `2 errors, 1 warning; 3 users, 5 keys`.
pub fn headline(report: &Report) -> String {
    let ReportSummary { users, keys, errors, warnings, notes, exempted } = report.summarize();
    let mut parts = count_parts(&[(errors, "error"), (warnings, "warning"), (notes, "note")]);
    if exempted > 0 {
        parts.push(format!("{exempted} exempted"));
    }
    if parts.is_empty() {
        parts.push("no findings".to_owned());
    }
    let found = parts.join(", ");
    match (&report.account, &report.scanned) {
        (Some(_), _) => format!("{found}; {}, {}", count(users, "user"), count(keys, "key")),
        (None, Some(scanned)) => format!("{found}; {} checked", count(scanned.files, "file")),
        (None, None) => found,
    }
}

/// States the result, for the person who must act: `failed: 9 errors, 4 warnings`.
pub fn verdict(report: &Report) -> String {
    let summary = report.summarize();
    let problems = count_parts(&[(summary.errors, "error"), (summary.warnings, "warning")]).join(", ");
    match report.outcome {
        ReportOutcome::Pass => pass_verdict(report, &summary),
        ReportOutcome::Breach if report.rotations.is_some() => waiting_verdict(count_reported_users(report)),
        ReportOutcome::Breach => format!("failed: {problems}"),
        ReportOutcome::Invalid if report.scanned.is_some() => {
            "invalid: the policy file has errors; the other files were checked all the same".to_owned()
        }
        ReportOutcome::Invalid => {
            "invalid: the policy file or the command line has errors; nothing was changed".to_owned()
        }
        ReportOutcome::Incomplete if report.rotations.is_some() => {
            "incomplete: some steps or data failed, so this run does not pass".to_owned()
        }
        ReportOutcome::Incomplete => {
            "incomplete: some data could not be read, so this run does not pass".to_owned()
        }
    }
}

/// How many users the findings are about, of which each rotation can have several.
fn count_reported_users(report: &Report) -> usize {
    let counted = report.findings.iter().filter(|finding| finding.exempted.is_none());
    counted.map(|finding| finding.user.as_deref()).collect::<BTreeSet<_>>().len()
}

fn waiting_verdict(number: usize) -> String {
    match number {
        1 => "action needed: a rotation is waiting for you".to_owned(),
        number => format!("action needed: {number} rotations are waiting for you"),
    }
}

/// The exit code is 0, which says that no limit is exceeded; it does not say that there is nothing to do.
fn pass_verdict(report: &Report, summary: &ReportSummary) -> String {
    match report.waiting_rotations() {
        0 => {}
        number => return waiting_verdict(number),
    }
    let Some(rotations) = &report.rotations else {
        let pages: Vec<&str> =
            report.user_lines().filter_map(|line| line.pull_request_url.as_deref()).collect();
        if let [page, ..] = pages[..] {
            let more =
                if pages.len() > 1 { format!(", and {} more", pages.len() - 1) } else { String::new() };
            return format!(
                "action needed: no errors, and a pull request is waiting for your merge: {page}{more}"
            );
        }
        return match summary.errors {
            0 => "passed: no errors".to_owned(),
            errors => format!("passed: {}, which --fail-on ignores", count(errors, "error")),
        };
    };
    // One with conflicts cannot be merged: the next run updates it
    let mergeable = rotations.iter().filter(|line| line.phase != RotationPhase::Conflicting);
    let open: Vec<String> =
        mergeable.filter_map(|line| line.pull_request).map(|number| format!("#{number}")).collect();
    let pending = rotations.iter().filter(|line| line.next.is_some()).count();
    match (&open[..], pending) {
        ([], 0) if rotations.is_empty() => {
            "passed: no user of the policy file has `rotation` or `retire`".to_owned()
        }
        ([], _) if rotations.iter().any(|line| line.error_from.is_some()) => help_verdict(rotations),
        ([], 0) => idle_verdict(rotations),
        ([], _) => format!("passed: `keytide rotate` has a step to take for {}", count(pending, "user")),
        ([one], _) => format!("action needed: pull request {one} is waiting for your merge"),
        _ => format!("action needed: pull requests {} are waiting for your merge", open.join(", ")),
    }
}

/// Applications or people keep rotations from going on, and that is not an error yet.
fn help_verdict(rotations: &[RotationLine]) -> String {
    let mut waiting: Vec<(Timestamp, &str)> = Vec::new();
    for line in rotations {
        waiting.extend(line.error_from.map(|at| (at, line.user.as_str())));
    }
    waiting.sort_unstable();
    match waiting[..] {
        [(at, user)] => {
            let user = escape_line(user);
            format!("waiting: do what the help of {user} says; it becomes an error on {}", format_day(at))
        }
        [(at, _), ..] => {
            let number = waiting.len();
            format!(
                "waiting: do what the help of {number} users says; the first becomes an error on {}",
                format_day(at)
            )
        }
        [] => idle_verdict(rotations),
    }
}

/// No run has a step to take now, and no one has to act.
fn idle_verdict(rotations: &[RotationLine]) -> String {
    let back: Vec<&RotationLine> =
        rotations.iter().filter(|line| line.phase == RotationPhase::RollingBack).collect();
    let (what, end) = match back[..] {
        [] => return "passed: nothing to do".to_owned(),
        [line] => (format!("rollback of {}", escape_line(&line.user)), "which ends"),
        _ => (format!("rollbacks of {} users", back.len()), "which end"),
    };
    format!("waiting: the next runs of `keytide rotate` continue the {what}, {end} in the phase `held`")
}

/// Describes a fault in one sentence. An error in the command line or the environment is not a failed request.
pub fn fault_sentence(fault: &ReadFault) -> String {
    if [COMMAND_LINE, ENVIRONMENT].contains(&fault.operation.as_str()) {
        return fault.message.clone();
    }
    let user = fault.user.as_deref().map(|user| format!(" for `{user}`")).unwrap_or_default();
    format!("{} failed{user}: {}", fault.operation, fault.message)
}

/// The counts that are not 0, each with its noun.
fn count_parts(counts: &[(usize, &str)]) -> Vec<String> {
    counts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(*number, noun)).collect()
}

fn count(number: usize, noun: &str) -> String {
    count_noun(number as i64, noun)
}
