//! One thing that is wrong, with the place that answers for it: in the policy file, or in the file that is wrong.

use serde::Serialize;

use crate::diagnostic::Position;

/// How bad a finding is. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileLocation {
    pub file: String,
    #[serde(flatten)]
    pub at: Position,
}

/// One finding. Its texts quote names that others chose: whoever prints them goes through `sanitize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    pub user: Option<String>,
    pub access_key_id: Option<String>,
    /// The place of the key among its user's keys by creation, from 1: the same while the key grows older.
    pub key_ordinal: Option<usize>,
    pub message: String,
    pub help: String,
    pub location: FileLocation,
    /// What may be shown of the line it stands in; never key material.
    pub excerpt: Option<String>,
    /// For a finding in a file: what it is about, however old it is and whatever line it stands in.
    pub identity: Option<String>,
    /// The controls it serves under this policy.
    pub controls: Vec<String>,
    /// The reason of the exemption that covers it.
    pub exempted: Option<String>,
}
