//! Findings, faults and counts as the files of a fleet hold them: written by one job, read by another.

use serde::{Deserialize, Serialize};

use crate::iam::ReadFault;
use crate::report::Report;
use crate::rules::{Finding, SkippedRule};

/// A finding of a rule. The names of the fields are those of `keytide audit --format json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FleetFinding {
    pub severity: Level,
    pub rule: String,
    pub user: Option<String>,
    pub access_key_id: Option<String>,
    pub message: String,
    pub help: String,
    pub location: Place,
    pub exempted: bool,
    pub exemption_reason: Option<String>,
}

/// How bad a finding is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Note,
    Warning,
    Error,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FleetFault {
    pub user: Option<String>,
    pub operation: String,
    pub message: String,
}

/// A rule that could not look, or not at everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotChecked {
    pub rule: String,
    pub reason: String,
}

/// How much was read and found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub users: usize,
    pub keys: usize,
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    pub exempted: usize,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl From<crate::rules::Severity> for Level {
    fn from(severity: crate::rules::Severity) -> Self {
        match severity {
            crate::rules::Severity::Note => Self::Note,
            crate::rules::Severity::Warning => Self::Warning,
            crate::rules::Severity::Error => Self::Error,
        }
    }
}

impl From<Finding> for FleetFinding {
    fn from(finding: Finding) -> Self {
        let at = finding.location.at;
        Self {
            severity: finding.severity.into(),
            rule: finding.rule.to_owned(),
            user: finding.user,
            access_key_id: finding.access_key_id,
            message: finding.message,
            help: finding.help,
            location: Place { file: finding.location.file, line: at.line, column: at.column },
            exempted: finding.exempted.is_some(),
            exemption_reason: finding.exempted,
        }
    }
}

impl From<ReadFault> for FleetFault {
    fn from(fault: ReadFault) -> Self {
        Self { user: fault.user, operation: fault.operation, message: fault.message }
    }
}

impl From<SkippedRule> for NotChecked {
    fn from(skipped: SkippedRule) -> Self {
        Self { rule: skipped.rule.to_owned(), reason: skipped.reason }
    }
}

impl Counts {
    /// What a report counts.
    pub fn of_report(report: &Report) -> Self {
        let summary = report.summarize();
        Self {
            users: summary.users,
            keys: summary.keys,
            errors: summary.errors,
            warnings: summary.warnings,
            notes: summary.notes,
            exempted: summary.exempted,
        }
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.keys += other.keys;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.notes += other.notes;
        self.exempted += other.exempted;
    }

    /// Adds one finding.
    pub fn add_finding(&mut self, finding: &FleetFinding) {
        match (finding.exempted, finding.severity) {
            (true, _) => self.exempted += 1,
            (false, Level::Error) => self.errors += 1,
            (false, Level::Warning) => self.warnings += 1,
            (false, Level::Note) => self.notes += 1,
        }
    }
}
