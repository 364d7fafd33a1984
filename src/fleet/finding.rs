//! Findings as the files of a fleet hold them: written by one job, read by another.

use serde::{Deserialize, Serialize};

use crate::rules::{FileLocation, Finding, Severity, SkippedRule};

/// A finding of a rule. The names of the fields are those of `keytide audit --format json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FleetFinding {
    pub severity: Severity,
    pub rule: String,
    pub user: Option<String>,
    pub access_key_id: Option<String>,
    pub message: String,
    pub help: String,
    pub location: FileLocation,
    pub exempted: bool,
    pub exemption_reason: Option<String>,
}

/// A rule that could not look, or not at everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotChecked {
    pub rule: String,
    pub reason: String,
}

impl From<Finding> for FleetFinding {
    fn from(finding: Finding) -> Self {
        Self {
            severity: finding.severity,
            rule: finding.rule.to_owned(),
            user: finding.user,
            access_key_id: finding.access_key_id,
            message: finding.message,
            help: finding.help,
            location: finding.location,
            exempted: finding.exempted.is_some(),
            exemption_reason: finding.exempted,
        }
    }
}

impl From<SkippedRule> for NotChecked {
    fn from(skipped: SkippedRule) -> Self {
        Self { rule: skipped.rule.to_owned(), reason: skipped.reason }
    }
}
