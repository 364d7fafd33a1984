//! Findings as the files of a fleet hold them: written by one job, read by another.

use serde::{Deserialize, Serialize};

use crate::report::fingerprint::{FINGERPRINT_DIGITS, finding_fingerprint, key_fingerprint};
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
    /// What stays the same while a key grows older and lines move. Earlier versions wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl FleetFinding {
    /// The fingerprint, which a file from outside may lack or have in another form.
    pub fn checked_fingerprint(&self) -> String {
        if let Some(fingerprint) = self.fingerprint.as_ref().filter(|text| is_fingerprint(text)) {
            return fingerprint.clone();
        }
        key_fingerprint(&self.rule, self.user.as_deref().unwrap_or(&self.message), None)
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == FINGERPRINT_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
            fingerprint: Some(finding_fingerprint(&finding)),
            severity: finding.severity,
            rule: finding.rule.to_owned(),
            user: finding.user,
            access_key_id: finding.access_key_id,
            message: finding.message,
            help: finding.help,
            location: finding.location,
            exempted: finding.exempted.is_some(),
            exemption_reason: finding.exempted.map(|accepted| accepted.reason),
        }
    }
}

impl From<SkippedRule> for NotChecked {
    fn from(skipped: SkippedRule) -> Self {
        Self { rule: skipped.rule.to_owned(), reason: skipped.reason }
    }
}
