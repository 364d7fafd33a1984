//! Holds the content of a webhook's message, and its lines as plain text, for every format.

use jiff::Timestamp;

use crate::notify::problem::{Change, Problem, ProblemCounts, describe_changes};
use crate::sanitize::shorten;

/// How many problems a message lists.
pub const MAX_LINES: usize = 20;
/// The longest advice of a line, in characters.
const MAX_REMEDY: usize = 300;

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
    /// The problems that are new or worse; without a change, all that there are.
    pub lines: Vec<MessageLine>,
    pub issue_url: Option<String>,
    pub run_url: Option<String>,
    pub policy_url: Option<String>,
}

/// A problem, with what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageLine {
    pub problem: Problem,
    pub change: Option<Change>,
    pub pull_request_url: Option<String>,
}

impl MessageLine {
    /// The line as plain text.
    fn describe(&self) -> String {
        let Problem { level, rule, user, text, .. } = &self.problem;
        let user = user.as_deref().map(|user| format!(" {user}")).unwrap_or_default();
        let text = text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        let change = self.change.map(|change| format!(" ({})", change.name())).unwrap_or_default();
        let page = self.pull_request_url.as_ref().map(|url| format!("{url} ")).unwrap_or_default();
        let remedy = shorten(self.problem.remedy(), MAX_REMEDY);
        format!("{} {rule}{user}{text}{change} → {page}{remedy}", level.name())
    }
}

impl WebhookMessage {
    /// The first line, as plain text.
    pub fn title(&self) -> String {
        let found = match self.event {
            NotifyEvent::Closed => "no problems any more".to_owned(),
            _ => self.describe_list(),
        };
        format!("AWS access keys of {} ({}): {found}", self.repository, self.policy_file)
    }

    /// What the list holds: `2 new problems, 5 in all`.
    fn describe_list(&self) -> String {
        let news = describe_changes(self.lines.iter().filter_map(|line| line.change));
        let total = self.counts.total();
        match (news.is_empty(), total == self.lines.len()) {
            (true, _) => self.counts.describe(),
            (false, true) => news,
            (false, false) => format!("{news}, {total} in all"),
        }
    }

    /// The lines of the list, each rendered for the receiver, as many as fit into `room` bytes. The last one says how many
    /// are left out.
    pub fn list<T>(&self, room: usize, render: impl Fn(&str) -> T, size: impl Fn(&T) -> usize) -> Vec<T> {
        let mut lines = Vec::new();
        let mut left = room;
        for line in self.lines.iter().take(MAX_LINES) {
            let line = render(&line.describe());
            let Some(rest) = left.checked_sub(size(&line)) else { break };
            left = rest;
            lines.push(line);
        }
        let omitted = self.lines.len() - lines.len();
        if omitted > 0 {
            lines.push(render(&format!("and {omitted} more")));
        }
        lines
    }

    /// The pages that have more, with their names.
    pub fn links(&self) -> Vec<(&'static str, &str)> {
        let pages = [
            ("Open the issue", &self.issue_url),
            ("Open the run", &self.run_url),
            ("Open the policy file", &self.policy_url),
        ];
        pages.into_iter().filter_map(|(name, url)| Some((name, url.as_deref()?))).collect()
    }
}
