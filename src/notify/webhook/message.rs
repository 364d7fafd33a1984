//! Holds the content of a webhook's message, and its lines as plain text, for every format.

use jiff::Timestamp;

use crate::notify::problem::{Change, Problem, ProblemCounts};

/// How many problems a message lists.
pub const MAX_LINES: usize = 20;

/// What happened to the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyEvent {
    Opened,
    Changed,
    Reopened,
    Closed,
    /// There is no issue that keeps what was reported, so this is all that the run found.
    Found,
}

impl NotifyEvent {
    /// The name in the JSON format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
            Self::Found => "found",
        }
    }
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookMessage {
    pub event: NotifyEvent,
    pub at: Timestamp,
    pub repository: String,
    pub policy_file: String,
    pub counts: ProblemCounts,
    /// The problems that are new or worse; after [`NotifyEvent::Found`] all of them, without a change.
    pub lines: Vec<MessageLine>,
    pub issue_url: Option<String>,
    pub run_url: Option<String>,
}

/// A problem, with what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLine {
    pub problem: Problem,
    pub change: Option<Change>,
}

impl MessageLine {
    /// The line as plain text.
    fn describe(&self) -> String {
        let Problem { level, rule, user, text, .. } = &self.problem;
        let user = user.as_deref().map(|user| format!(" {user}")).unwrap_or_default();
        let text = text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        let change = self.change.map(|change| format!(" ({})", change.name())).unwrap_or_default();
        format!("{} {rule}{user}{text}{change}", level.name())
    }
}

impl WebhookMessage {
    /// The first line, as plain text.
    pub fn title(&self) -> String {
        let found = match self.event {
            NotifyEvent::Closed => "no problems any more".to_owned(),
            _ => self.counts.describe(),
        };
        format!("AWS access keys of {} ({}): {found}", self.repository, self.policy_file)
    }

    /// The lines of the list, as plain text; the last one says how many are left out.
    pub fn list(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().take(MAX_LINES).map(MessageLine::describe).collect();
        if self.lines.len() > MAX_LINES {
            lines.push(format!("and {} more", self.lines.len() - MAX_LINES));
        }
        lines
    }

    /// The page that has more, and its name.
    pub fn link(&self) -> Option<(&'static str, &str)> {
        let issue = self.issue_url.as_deref().map(|url| ("Open the issue", url));
        issue.or_else(|| self.run_url.as_deref().map(|url| ("Open the run", url)))
    }
}
