//! Takes the problems out of a report, and says which problems the command that made it can see at all.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::problem::{Level, Problem, rule_remedy};
use crate::dates::format_day;
use crate::policy::{Policy, PolicyDuration, UserSelector};
use crate::report::fingerprint::{finding_fingerprint, key_fingerprint};
use crate::report::{Report, ReportOutcome, UserLine};
use crate::rules::Severity;
use crate::sanitize::{mask_identifiers, shorten};

/// The longest text of a problem, in characters.
pub const MAX_TEXT: usize = 600;
/// The rule whose finding a key that becomes due will be.
const DUE_RULE: &str = "key-age";
/// The rules that need the status of a user's rotation. `rotate` applies no others.
const ROTATION_RULES: [&str; 2] = ["stalled-rotation", "stale-reference"];
/// The rule that a fleet's report lists once for the account, and not for each repository.
const ROOT_KEY: &str = "root-key";
/// The longest name of an IAM user.
pub const MAX_USER: usize = 128;

/// What a run found, for the issue and the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub at: Timestamp,
    pub problems: Vec<Problem>,
    pub scope: Scope,
    /// Everything was read. If not, no problem counts as solved.
    pub is_complete: bool,
}

/// The problems that a run would have found. Any other stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every problem, but those of rules that were skipped, such as `root-key` without the credential report; those of
    /// rotations as far as the status of the user's rotation was read.
    Audit {
        known_rotations: BTreeSet<String>,
        unknown_rotations: BTreeSet<String>,
        skipped: BTreeSet<&'static str>,
    },
    /// What the rules of rotations find about one user, or about all.
    Rotation { user: Option<String> },
    /// What the audit of a fleet finds in a repository: no rotations, no keys that become due, and not everything of the rules
    /// that could not look.
    Fleet { unseen: BTreeSet<String> },
}

/// A finding, from whichever report.
pub struct FoundProblem<'f> {
    /// The fingerprint.
    pub key: String,
    pub severity: Severity,
    pub rule: &'static str,
    pub user: Option<&'f str>,
    pub message: &'f str,
    pub help: &'f str,
    /// The open pull request of the user's rotation.
    pub pull_request: Option<u64>,
}

impl Observed {
    /// Names the workflow run that found the problems.
    #[must_use]
    pub fn with_run(mut self, run: Option<u64>) -> Self {
        for problem in &mut self.problems {
            problem.run = run;
        }
        self
    }
}

impl Scope {
    /// Whether the run would have found this problem.
    pub fn covers(&self, problem: &Problem) -> bool {
        let (rule, user) = (problem.rule, problem.user.as_deref());
        match self {
            Self::Audit { skipped, .. } if skipped.contains(rule) => false,
            Self::Audit { known_rotations, unknown_rotations, .. } => {
                !ROTATION_RULES.contains(&rule)
                    || unknown_rotations.is_empty()
                    || user.is_some_and(|user| known_rotations.contains(user))
            }
            Self::Rotation { user: only } => {
                ROTATION_RULES.contains(&rule) && (only.is_none() || only.as_deref() == user)
            }
            Self::Fleet { unseen } => {
                !ROTATION_RULES.contains(&rule)
                    && rule != ROOT_KEY
                    && problem.level != Level::Due
                    && !unseen.contains(rule)
            }
        }
    }

    /// Whether the run would have found any problem. A fleet's finds all that a repository has many of, so that an issue which
    /// counts more problems than it has room for does not stay open for ever.
    pub fn is_everything(&self) -> bool {
        match self {
            Self::Audit { unknown_rotations, .. } => unknown_rotations.is_empty(),
            Self::Rotation { .. } => false,
            Self::Fleet { unseen } => unseen.is_empty(),
        }
    }
}

/// What an audit found. `before`: keys that become due within this time are problems too.
pub fn observe_audit(policy: &Policy, report: &Report, before: Option<PolicyDuration>) -> Observed {
    let mut problems = collect_problems(report_findings(report), report.generated_at);
    let known: BTreeSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    if let Some(until) = before.and_then(|before| report.generated_at.checked_add(before.0).ok()) {
        for line in report.user_lines() {
            let Some(problem) = due_problem(policy, report, line, until) else { continue };
            // A key that is over its age already is a finding, and no longer due
            if !known.contains(&problem.key) {
                problems.push(problem);
            }
        }
    }
    let (mut known_rotations, mut unknown_rotations) = (BTreeSet::new(), BTreeSet::new());
    let with_phase: BTreeSet<&str> =
        report.user_lines().filter(|line| line.phase.is_some()).map(|line| line.user.name.as_str()).collect();
    for entry in policy.users.iter().filter(|entry| entry.key_changes().is_some()) {
        let UserSelector::Name(name) = &entry.selector else { continue };
        // Without a phase the journal was not read, so earlier problems of this rotation may still exist
        if with_phase.contains(name.0.as_str()) {
            known_rotations.insert(name.0.clone());
        } else {
            unknown_rotations.insert(name.0.clone());
        }
    }
    // The credential report shows every key's age, if perhaps as less than it is: that rule is never skipped as a whole
    let skipped = report.skipped.iter().map(|skipped| skipped.rule).filter(|rule| *rule != DUE_RULE);
    Observed {
        at: report.generated_at,
        problems,
        scope: Scope::Audit { known_rotations, unknown_rotations, skipped: skipped.collect() },
        is_complete: is_complete(report),
    }
}

/// What `rotate` found. `user`: the only one that it was asked for.
pub fn observe_rotation(report: &Report, user: Option<&str>) -> Observed {
    Observed {
        at: report.generated_at,
        problems: collect_problems(report_findings(report), report.generated_at),
        scope: Scope::Rotation { user: user.map(str::to_owned) },
        is_complete: is_complete(report),
    }
}

fn is_complete(report: &Report) -> bool {
    matches!(report.outcome, ReportOutcome::Pass | ReportOutcome::Breach)
}

/// The findings that no exemption covers.
fn report_findings(report: &Report) -> impl Iterator<Item = FoundProblem<'_>> {
    report.counted_findings().map(|finding| FoundProblem {
        key: finding_fingerprint(finding),
        severity: finding.severity,
        rule: finding.rule,
        user: finding.user.as_deref(),
        message: &finding.message,
        help: finding.help_without_page(),
        pull_request: finding.user.as_deref().and_then(|user| find_pull_request(report, user)),
    })
}

/// Errors and warnings, each once. A note would keep the issue open for ever.
pub fn collect_problems<'f>(
    findings: impl Iterator<Item = FoundProblem<'f>>,
    since: Timestamp,
) -> Vec<Problem> {
    let (mut problems, mut known) = (Vec::new(), BTreeSet::new());
    for finding in findings {
        let level = match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => continue,
        };
        // A rule may report the same thing twice; the issue lists it once
        if !known.insert(finding.key.clone()) {
            continue;
        }
        problems.push(Problem {
            help: special_help(&finding),
            key: finding.key,
            level,
            rule: finding.rule,
            user: finding.user.map(|user| shorten(user, MAX_USER)),
            text: Some(shorten(&mask_identifiers(finding.message), MAX_TEXT)),
            pull_request: finding.pull_request,
            since,
            run: None,
        });
    }
    problems
}

/// The help of a finding, if it is not the one of its rule.
fn special_help(finding: &FoundProblem<'_>) -> Option<String> {
    let help = finding.help;
    let is_special = !help.is_empty() && help != rule_remedy(finding.rule);
    if is_special { Some(shorten(&mask_identifiers(help), MAX_TEXT)) } else { None }
}

/// The open pull request of the user's rotation.
fn find_pull_request(report: &Report, user: &str) -> Option<u64> {
    if let Some(line) = report.rotations.iter().flatten().find(|line| line.user == user) {
        return line.pull_request;
    }
    let line = report.user_lines().find(|line| line.user.name == user)?;
    line.pull_request_url.as_ref()?.rsplit_once('/')?.1.parse().ok()
}

/// The user's next key, if it becomes due until then. It has the fingerprint of the finding that it will be, so that the
/// finding is the same problem, only worse.
fn due_problem(policy: &Policy, report: &Report, line: &UserLine, until: Timestamp) -> Option<Problem> {
    let due = line.next_due.filter(|due| *due <= until)?;
    let keys = line.user.keys_by_age();
    let (ordinal, _) = keys.into_iter().find(|(_, key)| key.status.can_sign())?;
    let entry = policy.find_user_policy(&line.user.name, line.user.iam_path());
    let help = if entry.is_some_and(|entry| entry.rotation.is_some()) {
        "nothing now: the scheduled `keytide rotate` begins its rotation on that day"
    } else {
        "rotate the key before that day"
    };
    Some(Problem {
        key: key_fingerprint(DUE_RULE, &line.user.name, Some(ordinal)),
        level: Level::Due,
        rule: DUE_RULE,
        user: Some(line.user.name.clone()),
        text: Some(format!("the next key is due on {}", format_day(due))),
        help: Some(help.to_owned()),
        pull_request: find_pull_request(report, &line.user.name),
        since: report.generated_at,
        run: None,
    })
}
