//! A finding of a rule, with its position in the policy file or in the file that it is about.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Position;
use crate::excerpt::LineExcerpt;
use crate::policy::Exemption;
use crate::sanitize::hide_possible_secrets;
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
    /// The page of the pull request with which `help` ends.
    pub page: Option<String>,
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
    /// What covers it: an exemption or a comment.
    pub exempted: Option<Acceptance>,
}

/// Why a finding is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    pub reason: String,
    /// The same for people, with the day on which the exemption ends.
    pub text: String,
}

impl Acceptance {
    /// By an exemption of the policy file.
    pub fn by_exemption(exemption: &Exemption) -> Self {
        let reason = hide_possible_secrets(&exemption.reason);
        Self { text: format!("{reason}; until {}", exemption.until.0.strftime("%-d %b %Y")), reason }
    }

    /// By a comment, which has no end.
    pub fn by_comment(reason: &str) -> Self {
        Self { reason: reason.to_owned(), text: reason.to_owned() }
    }
}

/// How a page is joined to an advice.
const PAGE_LABEL: &str = "pull request: ";

impl Finding {
    /// Ends the advice with the page of a pull request.
    pub fn add_page(&mut self, page: &str) {
        let separator = if self.help.is_empty() { "" } else { "; " };
        self.help.push_str(&format!("{separator}{PAGE_LABEL}{page}"));
        self.page = Some(page.to_owned());
    }

    /// The advice without the page, which some formats show as a link. The end is compared as a whole: an advice quotes
    /// reasons from a journal, and these could hold the address of another page.
    pub fn help_without_page(&self) -> &str {
        let page = self.page.as_deref();
        let help = page.and_then(|page| self.help.strip_suffix(page)?.strip_suffix(PAGE_LABEL));
        help.map_or(&self.help, |help| help.strip_suffix("; ").unwrap_or(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person who can write a journal chooses the reasons in it: an address in one is no link.
    #[test]
    fn the_address_in_a_quoted_reason_is_no_page() {
        let reason = "held: see; pull request: https://forged.example/1";
        let mut finding = Finding {
            rule: "stalled-rotation",
            severity: Severity::Error,
            user: None,
            subject: None,
            access_key_id: None,
            key_ordinal: None,
            message: String::new(),
            help: reason.to_owned(),
            page: None,
            short_help: None,
            location: FileLocation { file: "keytide.yml".to_owned(), at: Position::START },
            excerpt: None,
            identity: None,
            controls: Vec::new(),
            exempted: None,
        };
        assert_eq!(finding.help_without_page(), reason);
        finding.add_page("https://github.com/acme/app/pull/7");
        assert_eq!(finding.help, format!("{reason}; pull request: https://github.com/acme/app/pull/7"));
        assert_eq!(finding.help_without_page(), reason);
        finding.help.clear();
        finding.add_page("https://github.com/acme/app/pull/8");
        assert_eq!(finding.help_without_page(), "");
    }
}
