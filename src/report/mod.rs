//! What was found → bytes, one format a file. Pure: who writes them where is the commands' business.

pub mod starter_policy;
pub mod github;
mod html;
mod json;
mod markdown;
mod rotations;
mod sarif;
mod text;
mod timeline;

use jiff::Timestamp;

use crate::diagnostic::Diagnostic;
use crate::error::{COMMAND_LINE, CommandError, ENVIRONMENT, ExitStatus};
use crate::iam::{AccessKey, AccountInventory, IamUser, ReadFault};
use crate::policy::Policy;
use crate::rotation::RotationPhase;
use crate::rules::{Finding, RotationStatuses, Severity, SkippedRule, invalid_policy, next_due};
use crate::sanitize;

/// The formats of `--format` and `--report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// A table and the findings, for people.
    Text,
    /// Everything, for programs; version 1.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// The text, then annotations, for the log of a GitHub workflow.
    Github,
    /// Tables, for a comment or a step summary.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

/// How access key IDs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyIds {
    Full,
    /// `AKIA…WXYZ`: a whole ID tells the account.
    Masked,
}

/// From which severity on findings make a command exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

/// What a run came to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    Pass,
    Breach,
    Invalid,
    Incomplete,
}

impl ReportOutcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Breach => "breach",
            Self::Invalid => "invalid",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Everything that the formats show.
#[derive(Debug, Clone)]
pub struct Report {
    pub policy: String,
    pub generated_at: Timestamp,
    /// What was read of the account; `None` when nothing was: a check asks none, or the command was wrong.
    pub account: Option<AccountSection>,
    /// What was read of the repository; `None` when nothing was: an audit reads none of its files.
    pub scanned: Option<ScanSummary>,
    /// What was done about the users' keys, or would be; `None` where the command is about something else.
    pub rotations: Option<Vec<RotationLine>>,
    pub findings: Vec<Finding>,
    pub faults: Vec<ReadFault>,
    pub skipped: Vec<SkippedRule>,
    /// What is missing or uncertain, in sentences.
    pub remarks: Vec<String>,
    pub outcome: ReportOutcome,
}

/// What a check read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ScanSummary {
    pub files: usize,
    pub bytes: u64,
}

/// The account as the formats show it.
#[derive(Debug, Clone)]
pub struct AccountSection {
    pub id: String,
    pub source: &'static str,
    pub users: Vec<UserLine>,
}

/// A user with what the policy says about it.
#[derive(Debug, Clone)]
pub struct UserLine {
    pub user: IamUser,
    /// The age limit of its keys, for drawing.
    pub max_age: Option<jiff::SignedDuration>,
    pub next_due: Option<Timestamp>,
    /// Where its rotation stands; `None` when nobody knows.
    pub phase: Option<RotationPhase>,
}

/// What one run did about one user's key, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationLine {
    pub user: String,
    pub phase: RotationPhase,
    /// The steps that were taken.
    pub done: Vec<String>,
    /// The step that a run would take now.
    pub next: Option<String>,
    pub why: String,
    /// What a person can do.
    pub help: Option<String>,
    /// Nothing happens before then.
    pub not_before: Option<Timestamp>,
    /// The pull request that is open.
    pub pull_request: Option<u64>,
}

/// How many findings there are of each severity; exempted ones are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportSummary {
    pub users: usize,
    pub keys: usize,
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    pub exempted: usize,
}

impl Report {
    /// The report of a finished audit.
    pub fn of_audit(
        policy: &Policy,
        inventory: AccountInventory,
        (findings, skipped): (Vec<Finding>, Vec<SkippedRule>),
        now: Timestamp,
        fail_on: FailOn,
    ) -> Self {
        let line = |user: IamUser| {
            let entry = policy.find_user_policy(&user.name, user.iam_path());
            let max_age = entry.and_then(|entry| entry.limits.max_age).map(|max| max.0);
            UserLine { max_age, next_due: entry.and_then(|entry| next_due(entry, &user)), phase: None, user }
        };
        let outcome = decide_outcome(&findings, &inventory.faults, fail_on);
        Self {
            policy: policy.file.clone(),
            generated_at: now,
            account: Some(AccountSection {
                id: inventory.account,
                source: inventory.source,
                users: inventory.users.into_iter().map(line).collect(),
            }),
            scanned: None,
            rotations: None,
            findings,
            faults: inventory.faults,
            skipped,
            remarks: inventory.limits,
            outcome,
        }
    }

    /// The report of a command that an error ended before it had read anything. `command` is the command's name.
    pub fn from_error(policy: &str, command: &str, error: &CommandError, now: Timestamp) -> Self {
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let fault = ReadFault {
            user: None,
            operation: error.operation.unwrap_or(command).to_owned(),
            message: format!("{}{help}", error.message),
        };
        let outcome = if error.exit == ExitStatus::Invalid {
            ReportOutcome::Invalid
        } else {
            ReportOutcome::Incomplete
        };
        Self { faults: vec![fault], ..Self::empty(policy, outcome, now) }
    }

    /// The report of a command whose policy file is invalid.
    pub fn from_invalid_policy(diagnostics: &[Diagnostic], now: Timestamp) -> Self {
        let policy = diagnostics.first().map_or("", |diagnostic| &diagnostic.file);
        let findings = invalid_policy::findings_from_diagnostics(diagnostics);
        Self { findings, ..Self::empty(policy, ReportOutcome::Invalid, now) }
    }

    fn empty(policy: &str, outcome: ReportOutcome, now: Timestamp) -> Self {
        Self {
            policy: policy.to_owned(),
            generated_at: now,
            account: None,
            scanned: None,
            rotations: None,
            findings: Vec::new(),
            faults: Vec::new(),
            skipped: Vec::new(),
            remarks: Vec::new(),
            outcome,
        }
    }

    /// The report of a finished check. `is_valid`: the policy file, if there is one, was no reason to complain.
    pub fn of_check(
        policy: &Policy,
        scanned: ScanSummary,
        (findings, skipped): (Vec<Finding>, Vec<SkippedRule>),
        faults: Vec<ReadFault>,
        (now, fail_on, is_valid): (Timestamp, FailOn, bool),
    ) -> Self {
        let outcome = match decide_outcome(&findings, &faults, fail_on) {
            ReportOutcome::Incomplete => ReportOutcome::Incomplete,
            _ if !is_valid => ReportOutcome::Invalid,
            outcome => outcome,
        };
        Self {
            policy: policy.file.clone(),
            generated_at: now,
            account: None,
            scanned: Some(scanned),
            rotations: None,
            findings,
            faults,
            skipped,
            remarks: Vec::new(),
            outcome,
        }
    }

    /// Adds where the rotations stand.
    #[must_use]
    pub fn with_phases(mut self, rotations: &RotationStatuses) -> Self {
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            line.phase = rotations.get(&line.user.name).map(|standing| standing.phase);
        }
        self
    }

    /// Adds what was done about the rotations. What comes next and when is told by them, no longer by the keys' age.
    #[must_use]
    pub fn with_rotations(mut self, rotations: Vec<RotationLine>) -> Self {
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            if let Some(rotation) = rotations.iter().find(|rotation| rotation.user == line.user.name) {
                line.phase = Some(rotation.phase);
                line.next_due = rotation.not_before.or(line.next_due);
            }
        }
        self.rotations = Some(rotations);
        self
    }

    /// Something that went wrong after all was read: the run is incomplete.
    pub fn add_fault(&mut self, operation: String, message: String) {
        self.faults.push(ReadFault { user: None, operation, message });
        self.outcome = ReportOutcome::Incomplete;
    }

    pub fn summarize(&self) -> ReportSummary {
        let mut summary = ReportSummary { users: self.user_lines().count(), ..ReportSummary::default() };
        summary.keys = self.user_lines().map(|line| line.user.keys.len()).sum();
        for finding in &self.findings {
            match (&finding.exempted, finding.severity) {
                (Some(_), _) => summary.exempted += 1,
                (None, Severity::Error) => summary.errors += 1,
                (None, Severity::Warning) => summary.warnings += 1,
                (None, Severity::Note) => summary.notes += 1,
            }
        }
        summary
    }

    /// The users that were read, in the order of the policy file.
    pub fn user_lines(&self) -> impl Iterator<Item = &UserLine> {
        self.account.iter().flat_map(|account| &account.users)
    }

    /// The day on which the next key is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.user_lines().filter_map(|line| line.next_due).min()
    }

    /// The findings that count: exempted ones do not.
    pub fn counted_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.exempted.is_none())
    }

    /// Masks every access key ID, wherever it stands.
    #[must_use]
    pub fn mask_key_ids(mut self) -> Self {
        let mask = |text: &mut String| *text = sanitize::mask_key_ids(text);
        for finding in &mut self.findings {
            mask(&mut finding.message);
            mask(&mut finding.help);
            finding.excerpt.iter_mut().for_each(mask);
            finding.access_key_id = finding.access_key_id.as_deref().map(sanitize::mask_key_id);
            finding.exempted.iter_mut().for_each(mask);
        }
        self.faults.iter_mut().for_each(|fault| mask(&mut fault.message));
        self.remarks.iter_mut().for_each(mask);
        for line in self.rotations.iter_mut().flatten() {
            let texts = [&mut line.why].into_iter().chain(&mut line.done);
            texts.chain(&mut line.next).chain(&mut line.help).for_each(mask);
        }
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            for key in &mut line.user.keys {
                key.id = key.id.as_deref().map(sanitize::mask_key_id);
            }
        }
        self
    }

    /// The bytes of one format; `colour` is for text only.
    pub fn render(&self, format: ReportFormat, colour: bool) -> String {
        match format {
            ReportFormat::Text => text::render_text(self, colour),
            ReportFormat::Json => json::render_json(self),
            ReportFormat::Sarif => sarif::render_sarif(self),
            ReportFormat::Github => github::render_log(self),
            ReportFormat::Markdown => markdown::render_markdown(self),
            ReportFormat::Html => html::render_html(self),
        }
    }
}

/// Incomplete beats a breach: what was not seen may be worse than what was.
fn decide_outcome(findings: &[Finding], faults: &[ReadFault], fail_on: FailOn) -> ReportOutcome {
    let least = match fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Never => None,
    };
    let breaks = |finding: &&Finding| {
        finding.exempted.is_none() && least.is_some_and(|least| finding.severity >= least)
    };
    if !faults.is_empty() {
        ReportOutcome::Incomplete
    } else if findings.iter().any(|finding| breaks(&finding)) {
        ReportOutcome::Breach
    } else {
        ReportOutcome::Pass
    }
}

/// A fault as one sentence. An error of the command line or the environment is no failed call.
fn fault_sentence(fault: &ReadFault) -> String {
    if [COMMAND_LINE, ENVIRONMENT].contains(&fault.operation.as_str()) {
        return fault.message.clone();
    }
    let user = fault.user.as_deref().map(|user| format!(" for `{user}`")).unwrap_or_default();
    format!("{} failed{user}: {}", fault.operation, fault.message)
}

/// Whole days, cut down; a key from the future has none.
fn age_days(report: &Report, key: &AccessKey) -> i64 {
    report.generated_at.duration_since(key.created_at).as_hours().max(0) / 24
}

/// The age in days of a user's oldest active key.
fn oldest_active_days(report: &Report, user: &IamUser) -> Option<i64> {
    user.keys.iter().filter(|key| key.status.can_sign()).map(|key| age_days(report, key)).max()
}

/// `1 error`, `2 errors`.
fn count_noun(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// `2 errors, 1 warning, 0 notes, 1 exempted; 3 users, 5 keys`.
fn report_headline(report: &Report) -> String {
    let ReportSummary { users, keys, errors, warnings, notes, exempted } = report.summarize();
    let mut parts =
        vec![count_noun(errors, "error"), count_noun(warnings, "warning"), count_noun(notes, "note")];
    if exempted > 0 {
        parts.push(format!("{exempted} exempted"));
    }
    let found = parts.join(", ");
    match (&report.account, &report.scanned) {
        (Some(_), _) => format!("{found}; {}, {}", count_noun(users, "user"), count_noun(keys, "key")),
        (None, Some(scanned)) => format!("{found}; {} read", count_noun(scanned.files, "file")),
        (None, None) => found,
    }
}

/// One sentence for the person who must act.
fn verdict_line(report: &Report) -> &'static str {
    match report.outcome {
        ReportOutcome::Pass if report.scanned.is_some() => "pass: nothing that fails a check was found",
        ReportOutcome::Breach if report.scanned.is_some() => {
            "breach: the repository does not keep its promises"
        }
        ReportOutcome::Invalid if report.scanned.is_some() => {
            "invalid: the policy file is wrong; the files were read all the same"
        }
        ReportOutcome::Pass if report.rotations.is_some() => "pass: no rotation needs a person",
        ReportOutcome::Breach if report.rotations.is_some() => "breach: a rotation needs a person",
        ReportOutcome::Pass => "pass: every limit is kept",
        ReportOutcome::Breach => "breach: a limit is broken",
        ReportOutcome::Invalid => {
            "invalid: the policy file or the command line is wrong; nothing was changed"
        }
        ReportOutcome::Incomplete if report.rotations.is_some() => {
            "incomplete: not everything could be done; this is no pass"
        }
        ReportOutcome::Incomplete => "incomplete: not everything could be read; this is no pass",
    }
}
