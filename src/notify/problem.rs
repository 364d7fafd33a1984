//! A problem that an issue lists: a finding, or a key that becomes due.

use jiff::Timestamp;

use crate::rules;

/// How bad a problem is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A key becomes due within `before`.
    Due,
    Warning,
    Error,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One problem. Its texts quote names from outside: they are sanitized where they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What stays the same as long as it is the same problem: sixteen hexadecimal digits.
    pub key: String,
    pub level: Level,
    pub rule: &'static str,
    pub user: Option<String>,
    /// What was found, with masked key IDs; `None` if the issue had no room for it.
    pub text: Option<String>,
    /// What to do, where it is more than the rule's own advice; with masked key IDs.
    pub help: Option<String>,
    /// The rotation's open pull request.
    pub pull_request: Option<u64>,
    /// When a run reported it first.
    pub since: Timestamp,
    /// The workflow run that reported it first.
    pub run: Option<u64>,
}

impl Problem {
    /// What to do: advice for this problem, else that of its rule.
    pub fn remedy(&self) -> &str {
        match &self.help {
            Some(help) => help,
            None => rule_remedy(self.rule),
        }
    }
}

/// What to do about any finding of a rule.
pub fn rule_remedy(rule: &str) -> &'static str {
    rules::find_rule(rule).map_or("", |rule| rule.rule_meta().remediation)
}

/// A problem that is new, or worse than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsItem {
    pub problem: Problem,
    pub change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    New,
    Worse,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Worse => "worse",
        }
    }
}

/// `2 new problems, 1 worse`; empty without news.
pub fn describe_changes(changes: impl IntoIterator<Item = Change>) -> String {
    let (mut new, mut worse) = (0, 0);
    for change in changes {
        match change {
            Change::New => new += 1,
            Change::Worse => worse += 1,
        }
    }
    match (new, worse) {
        (0, 0) => String::new(),
        (0, worse) => format!("{} got worse", count_of(worse)),
        (new, 0) => format!("{new} new {}", noun(new)),
        (new, worse) => format!("{new} new {}, {worse} worse", noun(new)),
    }
}

fn count_of(number: usize) -> String {
    format!("{number} {}", noun(number))
}

fn noun(number: usize) -> &'static str {
    if number == 1 { "problem" } else { "problems" }
}

/// How many problems there are of each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProblemCounts {
    pub errors: usize,
    pub warnings: usize,
    pub due: usize,
}

/// Counts the problems of each level.
pub fn count_problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> ProblemCounts {
    let mut counts = ProblemCounts::default();
    for problem in problems {
        match problem.level {
            Level::Error => counts.errors += 1,
            Level::Warning => counts.warnings += 1,
            Level::Due => counts.due += 1,
        }
    }
    counts
}

impl ProblemCounts {
    pub fn total(self) -> usize {
        self.errors + self.warnings + self.due
    }

    /// `2 errors, 1 warning, 1 key due soon`; `no problems` if there are none.
    pub fn describe(self) -> String {
        let mut parts = Vec::new();
        for (number, one, many) in [
            (self.errors, "error", "errors"),
            (self.warnings, "warning", "warnings"),
            (self.due, "key due soon", "keys due soon"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {}", if number == 1 { one } else { many }));
            }
        }
        if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
    }
}
