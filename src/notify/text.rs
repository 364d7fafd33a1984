//! Writes the texts of the issue: its title, the marked part of its body, and its comments.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::decide::Decision;
use super::problem::{NewsItem, Problem, count_problems};
use super::section::SectionMarks;
use super::state::{IssueState, encode_state};
use crate::report::keys::{format_date, format_minute};
use crate::rotation::pull_request::MAX_BODY_CHARS;
use crate::sanitize::{escape_issue_text as clean, escape_line};

/// How many news a comment lists.
const MAX_NEWS: usize = 30;

/// What the texts say about the run and the policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    pub at: Timestamp,
    /// The policy file, from the repository's root.
    pub policy_file: String,
    /// The page of the workflow's run.
    pub run_url: Option<String>,
    pub is_complete: bool,
}

impl RunFacts {
    /// `2026-11-28 18:00 UTC, [run](URL)`.
    fn describe(&self) -> String {
        let at = format_minute(self.at);
        match &self.run_url {
            Some(url) => format!("{at}, [run]({url})"),
            None => at,
        }
    }
}

/// The title of a new issue.
pub fn issue_title(facts: &RunFacts) -> String {
    format!("AWS access keys need attention ({})", escape_line(&facts.policy_file))
}

/// The marked part, which fits beside `outside` characters of other text; `None` if there is no room for it.
pub fn render_section(
    marks: &SectionMarks,
    facts: &RunFacts,
    state: &IssueState,
    outside: usize,
) -> Option<String> {
    let room = MAX_BODY_CHARS.checked_sub(outside + 2)?;
    let mut kept = state.problems.len();
    let mut listed = kept;
    loop {
        let mut shown = IssueState { problems: Vec::new(), more: state.more + state.problems.len() - kept };
        for (index, problem) in state.problems.iter().take(kept).enumerate() {
            // What is not listed needs no text in the state either: it is there only to be known.
            shown.problems.push(strip(problem, index < listed));
        }
        let section = marks.wrap(&render_text(facts, &shown), &encode_state(&shown));
        if section.chars().count() <= room {
            return Some(section);
        }
        match (listed, kept) {
            (0, 0) => return None,
            (0, _) => kept = kept * 3 / 4,
            _ => listed = listed * 3 / 4,
        }
    }
}

fn strip(problem: &Problem, is_listed: bool) -> Problem {
    let text = if is_listed { problem.text.clone() } else { None };
    Problem { text, ..problem.clone() }
}

fn render_text(facts: &RunFacts, state: &IssueState) -> String {
    let mut out = String::new();
    let counts = count_problems(&state.problems).describe();
    let counts = match (state.problems.len(), state.more) {
        (_, 0) => counts,
        (0, more) => format!("{more} problems"),
        (_, more) => format!("{counts}, and {more} more"),
    };
    let _ = write!(out, "**{counts}** ({})\n\n", facts.describe());
    if !facts.is_complete {
        out.push_str("The last run could not read all data, so nothing counts as resolved.\n\n");
    }
    let listed: Vec<&Problem> = state.problems.iter().filter(|problem| problem.text.is_some()).collect();
    if !listed.is_empty() {
        out.push_str("| | rule | user | what | since |\n|---|---|---|---|---|\n");
    }
    for problem in &listed {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} |",
            problem.level.name(),
            problem.rule,
            clean(problem.user.as_deref().unwrap_or_default()),
            clean(problem.text.as_deref().unwrap_or_default()),
            format_date(problem.since)
        );
    }
    let hidden = state.problems.len() - listed.len() + state.more;
    if hidden > 0 {
        let _ = write!(out, "\n{hidden} more are not listed here; the report of the run has them.\n");
    }
    let _ = write!(
        out,
        "\n`keytide explain RULE` explains a rule. Policy file: {}. Every run rewrites this part; text above and below it \
         stays.",
        clean(&facts.policy_file)
    );
    out
}

/// The comment for a decision: what is new or worse, or that all is well.
pub fn render_news(facts: &RunFacts, decision: &Decision) -> String {
    let mut out = format!("{} ({})\n\n", headline(&decision.news), facts.describe());
    for item in decision.news.iter().take(MAX_NEWS) {
        let _ = writeln!(out, "- {}", news_line(item));
    }
    if decision.news.len() > MAX_NEWS {
        let _ = writeln!(out, "- and {} more", decision.news.len() - MAX_NEWS);
    }
    out
}

/// `2 new, 1 worse`.
pub fn headline(news: &[NewsItem]) -> String {
    let mut parts = Vec::new();
    for change in [super::problem::Change::New, super::problem::Change::Worse] {
        let number = news.iter().filter(|item| item.change == change).count();
        if number > 0 {
            parts.push(format!("{number} {}", change.name()));
        }
    }
    parts.join(", ")
}

fn news_line(item: &NewsItem) -> String {
    let Problem { level, rule, user, text, .. } = &item.problem;
    let user = user.as_deref().map(|user| format!(" {}", clean(user))).unwrap_or_default();
    let text = text.as_deref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
    format!("**{}** `{rule}`{user}{text} ({})", level.name(), item.change.name())
}

/// The comment with which the issue is closed.
pub fn render_closing(facts: &RunFacts) -> String {
    format!("No problems any more ({}). This issue opens again when there is one.", facts.describe())
}

/// The comment on an issue that another run opened as well.
pub fn render_duplicate(number: u64) -> String {
    format!("Duplicate of #{number}: two runs opened an issue at the same time.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::problem::{Change, Level};
    use crate::notify::state::{MAX_PROBLEMS, decode_state};

    fn facts() -> RunFacts {
        RunFacts {
            at: "2026-11-28T18:00:00Z".parse().unwrap(),
            policy_file: ".github/keytide.yml".to_owned(),
            run_url: Some("https://github.com/acme/app/actions/runs/1".to_owned()),
            is_complete: true,
        }
    }

    fn problem(number: usize, text: &str) -> Problem {
        Problem {
            key: format!("{number:016x}"),
            level: Level::Error,
            rule: "key-age",
            user: Some("@octocat|<b>".to_owned()),
            text: Some(text.to_owned()),
            since: "2026-11-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn names_from_outside_start_nothing() {
        let marks = SectionMarks::for_policy("a");
        let hostile = "x | y\n<!-- keytide:end --> @me #77 [a](b) ![c](d) --> ```";
        let state = IssueState { problems: vec![problem(1, hostile)], more: 0 };
        let section = render_section(&marks, &facts(), &state, 0).unwrap();
        let visible = section.split("<!-- keytide:state").next().unwrap();
        assert_eq!(visible.matches("<!--").count(), 1, "{section}");
        for token in ["@me", "#77", "](b)", "@octocat", "<b>", "x | y"] {
            assert!(!visible.contains(token), "{token}: {section}");
        }
        let kept = decode_state(marks.find_state(&section).unwrap(), facts().at).unwrap();
        assert_eq!(kept, state);
        let news = vec![NewsItem { problem: problem(1, hostile), change: Change::New }];
        let decision = Decision { step: crate::notify::decide::IssueStep::Open, state, news };
        let comment = render_news(&facts(), &decision);
        assert!(comment.starts_with("1 new (2026-11-28 18:00 UTC, [run]("), "{comment}");
        assert!(!comment.contains("@me") && !comment.contains("<!--"), "{comment}");
    }

    #[test]
    fn the_body_never_exceeds_what_github_takes() {
        let marks = SectionMarks::for_policy("a");
        let problems: Vec<Problem> = (0..MAX_PROBLEMS).map(|n| problem(n, &"é|".repeat(300))).collect();
        let state = IssueState { problems, more: 7 };
        for outside in [0, 10_000, 20_000, 60_000] {
            let section = render_section(&marks, &facts(), &state, outside).unwrap();
            assert!(section.chars().count() + outside <= MAX_BODY_CHARS);
            let kept = decode_state(marks.find_state(&section).unwrap(), facts().at).unwrap();
            assert_eq!(kept.problems.len() + kept.more, MAX_PROBLEMS + 7);
            assert!(!kept.problems.is_empty() || outside == 60_000);
        }
        assert_eq!(render_section(&marks, &facts(), &state, MAX_BODY_CHARS - 300), None);
    }
}
