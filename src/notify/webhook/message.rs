//! Holds the content of a webhook's message, and its lines as plain text, for every format.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::notify::problem::{Change, Level, Problem, ProblemCounts, describe_changes, rule_remedy};
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

/// A line of the list, in parts that each format shows in its own way. All are plain text.
pub struct ShownLine<'a> {
    /// `None` for a line that is about no problem.
    pub level: Option<Level>,
    /// The rule and the user: names, which may hold characters with a meaning for the receiver.
    pub names: Vec<&'a str>,
    pub text: String,
}

impl MessageLine {
    /// The line; `has_remedy`: with what to do, which is otherwise said once for all lines of the rule.
    fn describe(&self, has_remedy: bool) -> ShownLine<'_> {
        let Problem { level, rule, user, text, .. } = &self.problem;
        let text = text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        let change = self.change.map(|change| format!(" ({})", change.name())).unwrap_or_default();
        let page = self.pull_request_url.clone();
        let remedy = if has_remedy { Some(shorten(self.problem.remedy(), MAX_REMEDY)) } else { None };
        let todo: Vec<String> = page.into_iter().chain(remedy).collect();
        let todo = if todo.is_empty() { String::new() } else { format!(" → {}", todo.join(" ")) };
        ShownLine {
            level: Some(*level),
            names: [Some(*rule), user.as_deref()].into_iter().flatten().collect(),
            text: format!("{text}{change}{todo}"),
        }
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

    /// The lines of the list, each rendered for the receiver, as many as fit into `room` bytes. Then how many are left out,
    /// and what to do about the rules that have several lines.
    pub fn list<T>(
        &self,
        room: usize,
        render: impl Fn(&ShownLine<'_>) -> T,
        size: impl Fn(&T) -> usize,
    ) -> Vec<T> {
        let mut remedies = Vec::new();
        for rule in self.rules_with_one_remedy() {
            let text = format!(": what to do → {}", shorten(rule_remedy(rule), MAX_REMEDY));
            remedies.push(render(&ShownLine { level: None, names: vec![rule], text }));
        }
        let mut left = room.saturating_sub(remedies.iter().map(&size).sum());
        let mut lines = Vec::new();
        for line in self.lines.iter().take(MAX_LINES) {
            let line = render(&line.describe(!self.has_one_remedy(&line.problem)));
            let Some(rest) = left.checked_sub(size(&line)) else { break };
            left = rest;
            lines.push(line);
        }
        let omitted = self.lines.len() - lines.len();
        if omitted > 0 {
            let text = format!("and {omitted} more");
            lines.push(render(&ShownLine { level: None, names: Vec::new(), text }));
        }
        lines.extend(remedies);
        lines
    }

    /// The rules of which several listed problems have the advice of the rule, each once.
    fn rules_with_one_remedy(&self) -> BTreeSet<&'static str> {
        let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
        for line in self.lines.iter().take(MAX_LINES).filter(|line| line.problem.help.is_none()) {
            if !seen.insert(line.problem.rule) {
                repeated.insert(line.problem.rule);
            }
        }
        repeated
    }

    /// Whether what to do about a problem is said once for its rule.
    fn has_one_remedy(&self, problem: &Problem) -> bool {
        problem.help.is_none() && self.rules_with_one_remedy().contains(problem.rule)
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
