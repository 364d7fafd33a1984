//! Decides the result of a run, and counts its findings.

use serde::{Deserialize, Serialize};

use crate::iam::ReadFault;
use crate::rules::{Finding, Severity};

/// From which severity on findings make a command exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

impl FailOn {
    /// Whether findings of this severity make a command exit with 1.
    pub fn includes(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity == Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Never => false,
        }
    }
}

/// The result of a run; the worst is the greatest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportOutcome {
    #[default]
    Pass,
    Breach,
    Invalid,
    Incomplete,
}

impl ReportOutcome {
    pub const WORST_FIRST: [Self; 4] = [Self::Incomplete, Self::Invalid, Self::Breach, Self::Pass];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Breach => "breach",
            Self::Invalid => "invalid",
            Self::Incomplete => "incomplete",
        }
    }

    /// The word for people; programs read [`Self::name`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Breach => "failed",
            Self::Invalid | Self::Incomplete => self.name(),
        }
    }
}

/// How many findings there are of each severity; exempted ones are counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSummary {
    pub users: usize,
    pub keys: usize,
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    pub exempted: usize,
}

impl ReportSummary {
    /// Adds one finding.
    pub fn add_finding(&mut self, severity: Severity, is_exempted: bool) {
        match (is_exempted, severity) {
            (true, _) => self.exempted += 1,
            (false, Severity::Error) => self.errors += 1,
            (false, Severity::Warning) => self.warnings += 1,
            (false, Severity::Note) => self.notes += 1,
        }
    }

    /// Adds another summary.
    pub fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.keys += other.keys;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.notes += other.notes;
        self.exempted += other.exempted;
    }
}

/// Decides the result of a run.
pub fn decide_outcome(findings: &[Finding], faults: &[ReadFault], fail_on: FailOn) -> ReportOutcome {
    // Incomplete comes before a breach, since the unread data may be worse than what was found
    if !faults.is_empty() {
        return ReportOutcome::Incomplete;
    }
    let mut counted = findings.iter().filter(|finding| finding.exempted.is_none());
    if counted.any(|finding| fail_on.includes(finding.severity)) {
        ReportOutcome::Breach
    } else {
        ReportOutcome::Pass
    }
}
