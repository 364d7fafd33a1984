//! A finding of a rule, with its position in the policy file or in the file that it is about.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Position;
use crate::excerpt::LineExcerpt;
use crate::text_style::Label;

/// How bad a finding is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    /// The word for it in a text, and its label; an exempted finding has none.
    pub fn label(self, is_exempted: bool) -> (&'static str, Option<Label>) {
        match self {
            _ if is_exempted => ("exempt", None),
            Self::Error => ("error", Some(Label::Error)),
            Self::Warning => ("warning", Some(Label::Warning)),
            Self::Note => ("note", Some(Label::Note)),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileLocation {
    pub file: String,
    #[serde(flatten)]
    pub at: Position,
}

/// One finding. Its texts quote names from outside, such as user names: reports print them through `sanitize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    pub user: Option<String>,
    /// Whom it is about where that is no user of the policy file: the root user, or whom an exemption covers.
    pub subject: Option<String>,
    pub access_key_id: Option<String>,
    /// The number of the key among its user's keys by creation, from 1: it stays the same while the key grows older.
    pub key_ordinal: Option<usize>,
    pub message: String,
    pub help: String,
    /// What a report for people says in place of `help`, because it has the rest of it elsewhere.
    pub short_help: Option<String>,
    pub location: FileLocation,
    /// What may be shown of its line; never key material.
    pub excerpt: Option<LineExcerpt>,
    /// For a finding in a file, or about a service-specific credential: what it is about. It stays the same when the line
    /// moves.
    pub identity: Option<String>,
    /// The controls of the policy's standard that it is about.
    pub controls: Vec<String>,
    /// The reason of the exemption that covers it.
    pub exempted: Option<String>,
}
