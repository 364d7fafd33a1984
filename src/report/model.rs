//! The report of a command: what was found, and what the formats show of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::origin::ReportOrigin;
use super::outcome::{FailOn, ReportOutcome, ReportSummary, decide_outcome};
use super::rotation_line::{HistoryLine, RotationLine};
use crate::diagnostic::Diagnostic;
use crate::error::{CommandError, ExitStatus};
use crate::excerpt::LineExcerpt;
use crate::iam::{AccountInventory, IamUser, ReadFault, SourcedFact};
use crate::policy::Policy;
use crate::rotation::RotationPhase;
use crate::rules::{Finding, RotationStatuses, SkippedRule, invalid_policy, next_due};
use crate::sanitize;

/// The formats of `--format` and `--report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// A table of the keys, then the findings.
    Text,
    /// All data, for programs; version 1.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// The text, then annotations, for the log of a GitHub workflow.
    Github,
    /// Tables, for a step summary, or for a comment where the users are few.
    Markdown,
    /// A self-contained page.
    Html,
    /// The result as JSON for an endpoint badge of shields.io.
    Badge,
}

/// How access key IDs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyIds {
    Full,
    /// `AKIA…WXYZ`: a full ID reveals the AWS account.
    Masked,
}

/// Everything that the formats show of one run.
#[derive(Debug, Clone)]
pub struct Report {
    pub policy: String,
    /// Where the files are from.
    pub origin: ReportOrigin,
    pub generated_at: Timestamp,
    /// What was read from the account; `None` for a check, which reads no account, and after an error.
    pub account: Option<AccountSection>,
    /// What was read from the repository; `None` for an audit, which reads none of its files.
    pub scanned: Option<ScanSummary>,
    /// What a rotation command did for each user, or would do; `None` for other commands.
    pub rotations: Option<Vec<RotationLine>>,
    pub findings: Vec<Finding>,
    pub faults: Vec<ReadFault>,
    pub skipped: Vec<SkippedRule>,
    /// What is missing from the data or uncertain, in sentences.
    pub remarks: Vec<String>,
    pub outcome: ReportOutcome,
}

/// What a check read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    pub files: usize,
    pub bytes: u64,
}

/// The account as the formats show it.
#[derive(Debug, Clone)]
pub struct AccountSection {
    /// For programs, which need it whole.
    pub id: String,
    /// For people: masked where key IDs are.
    pub shown_id: String,
    pub source: &'static str,
    pub users: Vec<UserLine>,
}

/// A user with what the policy says about it.
#[derive(Debug, Clone)]
pub struct UserLine {
    pub user: IamUser,
    /// The age limit of the user's keys, for the timeline.
    pub max_age: Option<SignedDuration>,
    /// When the next key becomes due: always after the time of the report, and `None` for exempted keys.
    pub next_due: Option<Timestamp>,
    /// Whether the time for the rotation of a key has come.
    has_come: bool,
    /// The phase of the user's rotation, if it is known.
    pub phase: Option<RotationPhase>,
    /// The reason for the phase, if a rotation has begun or waits for you.
    pub rotation: Option<String>,
    /// What a run would do now for that rotation.
    pub rotation_next: Option<String>,
    /// What you can do about it.
    pub rotation_help: Option<String>,
    /// The page of the rotation's open pull request.
    pub pull_request_url: Option<String>,
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
        let outcome = decide_outcome(&findings, &inventory.faults, fail_on);
        let users = inventory.users.into_iter().map(|user| UserLine::new(policy, user, now)).collect();
        Self {
            policy: policy.file.clone(),
            origin: ReportOrigin::default(),
            generated_at: now,
            account: Some(AccountSection {
                shown_id: inventory.account.clone(),
                id: inventory.account,
                source: inventory.source,
                users,
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

    /// The report of a command that ended with an error before it had read anything. `command` is the command's name.
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
            origin: ReportOrigin::default(),
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

    /// The report of a finished check. `is_valid`: there is no policy file, or it has no errors.
    pub fn of_check(
        policy: &Policy,
        scanned: ScanSummary,
        (findings, skipped): (Vec<Finding>, Vec<SkippedRule>),
        faults: Vec<ReadFault>,
        (now, fail_on, is_valid): (Timestamp, FailOn, bool),
    ) -> Self {
        let outcome = match decide_outcome(&findings, &faults, fail_on) {
            // A file that could not be read weighs more than an invalid policy: it may hold a secret.
            ReportOutcome::Incomplete => ReportOutcome::Incomplete,
            _ if !is_valid => ReportOutcome::Invalid,
            outcome => outcome,
        };
        Self {
            policy: policy.file.clone(),
            origin: ReportOrigin::default(),
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

    /// Adds the phase of each rotation, and the reason for it.
    #[must_use]
    pub fn with_phases(mut self, rotations: &RotationStatuses) -> Self {
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            let Some(status) = rotations.get(&line.user.name) else { continue };
            line.phase = Some(status.phase);
            if status.under_way || status.phase.needs_person() {
                line.rotation = Some(status.reason.clone());
                line.rotation_help.clone_from(&status.help);
                line.pull_request_url.clone_from(&status.pull_request_url);
            }
        }
        self
    }

    /// Adds what a run would do now for each rotation under way.
    pub fn add_next_steps(&mut self, steps: &BTreeMap<String, String>) {
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            if line.rotation.is_some() {
                line.rotation_next = steps.get(&line.user.name).cloned();
            }
        }
    }

    /// Adds what a rotation command did. The decision says when the next rotation begins, not the keys' age; in other phases
    /// than this one it says when a wait is over.
    #[must_use]
    pub fn with_rotations(mut self, rotations: Vec<RotationLine>) -> Self {
        let now = self.generated_at;
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            if let Some(rotation) = rotations.iter().find(|rotation| rotation.user == line.user.name) {
                line.phase = Some(rotation.phase);
                let begins = rotation.not_before.filter(|at| *at > now);
                let begins = begins.filter(|_| rotation.phase == RotationPhase::Healthy);
                line.next_due = begins.or(line.next_due);
            }
        }
        self.rotations = Some(rotations);
        self
    }

    /// Adds the journal entries of a user's last rotation.
    pub fn set_history(&mut self, user: &str, history: Vec<HistoryLine>) {
        if let Some(line) = self.rotations.iter_mut().flatten().find(|line| line.user == user) {
            line.history = Some(history);
        }
    }

    /// Whether a person must act, whatever `--fail-on` and exemptions say of it: a rotation has stopped for review, a pull
    /// request waits for its merge, or a rotation waits for what its help asks.
    pub fn needs_action(&self) -> bool {
        self.waiting_rotations() > 0
            || self
                .rotations
                .iter()
                .flatten()
                .any(|line| line.pull_request.is_some() || line.error_from.is_some())
            || self.user_lines().any(|line| line.pull_request_url.is_some())
    }

    /// How many rotations have stopped until a person acts.
    pub fn waiting_rotations(&self) -> usize {
        self.user_lines().filter(|line| line.phase.is_some_and(RotationPhase::needs_person)).count()
    }

    /// Adds a failure after everything was read: the run is incomplete.
    pub fn add_fault(&mut self, operation: String, message: String) {
        self.faults.push(ReadFault { user: None, operation, message });
        self.outcome = ReportOutcome::Incomplete;
    }

    pub fn summarize(&self) -> ReportSummary {
        let mut summary = ReportSummary { users: self.user_lines().count(), ..ReportSummary::default() };
        summary.keys = self.user_lines().map(|line| line.user.keys.len()).sum();
        for finding in &self.findings {
            summary.add_finding(finding.severity, finding.exempted.is_some());
        }
        summary
    }

    /// The users that were read, in the order of the policy file.
    pub fn user_lines(&self) -> impl Iterator<Item = &UserLine> {
        self.account.iter().flat_map(|account| &account.users)
    }

    /// When the next key becomes due; never in the past.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.user_lines().filter_map(|line| line.next_due).min()
    }

    /// The findings that count: exempted ones do not.
    pub fn counted_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.exempted.is_none())
    }

    /// Masks every access key ID, and in texts the account, which a key ID would reveal.
    #[must_use]
    pub fn mask_key_ids(mut self) -> Self {
        for finding in &mut self.findings {
            mask(&mut finding.message);
            mask(&mut finding.help);
            finding.page.iter_mut().chain(&mut finding.short_help).for_each(mask);
            // Free text too: messages, advice and lines of files quote IDs.
            finding.excerpt.iter_mut().for_each(LineExcerpt::mask_identifiers);
            finding.access_key_id = finding.access_key_id.as_deref().map(sanitize::mask_key_id);
            if let Some(accepted) = &mut finding.exempted {
                mask(&mut accepted.reason);
                mask(&mut accepted.text);
            }
        }
        self.account.iter_mut().for_each(|account| mask(&mut account.shown_id));
        self.faults.iter_mut().for_each(|fault| mask(&mut fault.message));
        self.remarks.iter_mut().for_each(mask);
        self.skipped.iter_mut().for_each(|skipped| mask(&mut skipped.reason));
        for line in self.rotations.iter_mut().flatten() {
            mask(&mut line.why);
            line.done.iter_mut().for_each(|step| mask(&mut step.text));
            line.next.iter_mut().chain(&mut line.help).chain(&mut line.keys).for_each(mask);
            for entry in line.history.iter_mut().flatten() {
                entry.reason.iter_mut().chain([&mut entry.text]).for_each(mask);
            }
        }
        for line in self.account.iter_mut().flat_map(|account| &mut account.users) {
            let texts = [&mut line.rotation, &mut line.rotation_next, &mut line.rotation_help];
            texts.into_iter().flatten().for_each(mask);
            for key in &mut line.user.keys {
                key.id = key.id.as_deref().map(sanitize::mask_key_id);
            }
            if let SourcedFact::Known(credentials, _) = &mut line.user.service_credentials {
                credentials
                    .iter_mut()
                    .for_each(|credential| credential.id = sanitize::mask_key_id(&credential.id));
            }
        }
        self
    }
}

impl UserLine {
    fn new(policy: &Policy, user: IamUser, now: Timestamp) -> Self {
        let entry = policy.find_user_policy(&user.name, user.iam_path());
        let max_age = entry.and_then(|entry| entry.limits.max_age).map(|max| max.0);
        let due = entry.and_then(|entry| next_due(entry, &user));
        // A date in the past would repeat what a finding already says.
        let next_due = due.filter(|due| *due > now && !is_age_exempted(policy, &user.name, *due));
        let rotates = entry.is_some_and(|entry| entry.rotation.is_some());
        let has_come =
            rotates && due.is_some_and(|due| due <= now) && !is_age_exempted(policy, &user.name, now);
        Self {
            user,
            max_age,
            next_due,
            has_come,
            phase: None,
            rotation: None,
            rotation_next: None,
            rotation_help: None,
            pull_request_url: None,
        }
    }

    /// Whether a rotation can begin now: the time has come, and as far as is known none is under way.
    pub fn is_due_now(&self) -> bool {
        self.has_come && self.phase.is_none_or(|phase| phase == RotationPhase::Due)
    }
}

/// Whether the age of the user's keys is still accepted at this time.
fn is_age_exempted(policy: &Policy, user: &str, at: Timestamp) -> bool {
    policy.exemptions.iter().map(|exemption| &exemption.value).any(|exemption| {
        exemption.user.is_match(user)
            && exemption.rules.iter().any(|rule| rule.0 == "key-age")
            && !exemption.has_expired(at)
    })
}

fn mask(text: &mut String) {
    *text = sanitize::mask_identifiers(text);
}
