//! Writes the texts of the issue: its title, the marked part of its body, and its comments.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::decide::Decision;
use super::problem::{NewsItem, Problem, ProblemCounts, describe_changes, rule_remedy};
use super::section::SectionMarks;
use super::state::{IssueState, encode_state};
use crate::dates::{format_day, format_moment};
use crate::report::ReportOrigin;
use crate::rotation::pull_request::MAX_BODY_CHARS;
use crate::sanitize::{escape_issue_text as clean, escape_line};
use crate::sentences::join_steps;

/// How many news a comment lists.
const MAX_NEWS: usize = 30;

/// What the texts say about the run and the policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    pub at: Timestamp,
    /// The policy file, from the repository's root.
    pub policy_file: String,
    /// Where the policy file is from.
    pub origin: ReportOrigin,
    /// The workflow's run.
    pub run: Option<WorkflowRun>,
    pub is_complete: bool,
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// The address of all runs, of characters that mean nothing in a link.
    pub runs_url: String,
    pub number: u64,
}

impl WorkflowRun {
    /// The page of the run.
    pub fn page(&self) -> String {
        format!("{}/{}", self.runs_url, self.number)
    }
}

impl RunFacts {
    /// `28 Nov 2026, 18:00 UTC, [run](URL)`.
    fn describe(&self) -> String {
        let at = format_moment(self.at);
        match self.run_url() {
            Some(url) => format!("{at}, [run]({url})"),
            None => at,
        }
    }

    /// The page of the run.
    pub fn run_url(&self) -> Option<String> {
        self.run.as_ref().map(WorkflowRun::page)
    }

    /// The page of an earlier run of the same repository.
    pub fn page_of_run(&self, number: u64) -> Option<String> {
        Some(format!("{}/{number}", self.run.as_ref()?.runs_url))
    }

    /// The policy file, as a link where its page is known.
    fn policy_link(&self) -> String {
        match self.origin.file_url(&self.policy_file) {
            Some(url) => format!("[{}]({url})", clean(&self.policy_file)),
            None => clean(&self.policy_file),
        }
    }

    /// `pull request [12](URL)`, if there is one.
    fn pull_request_link(&self, problem: &Problem) -> Option<String> {
        let number = problem.pull_request?;
        let url = self.origin.pull_request_url(number)?;
        Some(format!("pull request [{number}]({url})"))
    }
}

/// The title of a new issue.
pub fn issue_title(facts: &RunFacts) -> String {
    format!("AWS access keys need attention ({})", escape_line(&facts.policy_file))
}

/// The marked part, which fits beside `outside` characters of other text; `None` if there is no room for it. `counts` are
/// those of all problems that the run knows.
pub fn render_section(
    marks: &SectionMarks,
    facts: &RunFacts,
    (state, counts): (&IssueState, ProblemCounts),
    outside: usize,
) -> Option<String> {
    // Two line feeds come between the text of people and this part
    let room = MAX_BODY_CHARS.checked_sub(outside + 2)?;
    let mut kept = state.problems.len();
    let mut listed = kept;
    loop {
        let mut shown = IssueState { problems: Vec::new(), more: state.more + state.problems.len() - kept };
        for (index, problem) in state.problems.iter().take(kept).enumerate() {
            // What is not listed needs no text in the state either: it is there only to be known.
            shown.problems.push(strip(problem, index < listed));
        }
        let section = marks.wrap(&render_text(facts, &shown, counts), &encode_state(&shown));
        if section.chars().count() <= room {
            return Some(section);
        }
        // Rows go first: a problem that the state does not keep cannot be compared by the next run
        match (listed, kept) {
            (0, 0) => return None,
            (0, _) => kept = kept * 3 / 4,
            _ => listed = listed * 3 / 4,
        }
    }
}

fn strip(problem: &Problem, is_listed: bool) -> Problem {
    if is_listed {
        return problem.clone();
    }
    Problem { text: None, help: None, pull_request: None, run: None, ..problem.clone() }
}

fn render_text(facts: &RunFacts, state: &IssueState, counts: ProblemCounts) -> String {
    let mut out = String::new();
    let listed: Vec<&Problem> = state.problems.iter().filter(|problem| problem.text.is_some()).collect();
    let _ = write!(
        out,
        "**{}** ({})\n\n",
        describe_counts(counts, state.problems.len() + state.more, listed.len()),
        facts.describe()
    );
    if !facts.is_complete {
        out.push_str("The last run could not read all data, so nothing counts as resolved.\n\n");
    }
    out.push_str(&render_table(facts, &listed));
    out.push_str(&render_rule_remedies(&listed));
    let hidden = state.problems.len() - listed.len() + state.more;
    if hidden > 0 {
        let _ = write!(out, "\n{hidden} more are not listed here; the report of the run has them.\n");
    }
    let _ = write!(
        out,
        "\n`keytide explain RULE` explains a rule. Policy file: {}. Every run rewrites this part; text above and below it \
         stays.",
        facts.policy_link()
    );
    out
}

/// `3 errors, 2 warnings`, and how many of them are listed. Of some only the number is known, which an earlier run has left.
fn describe_counts(counts: ProblemCounts, total: usize, listed: usize) -> String {
    let mut text = match (counts.total(), total.saturating_sub(counts.total())) {
        (0, unknown) if unknown > 0 => format!("{unknown} problems"),
        (_, 0) => counts.describe(),
        (_, unknown) => format!("{}, and {unknown} more", counts.describe()),
    };
    if listed < total {
        let _ = write!(text, "; {listed} listed");
    }
    text
}

/// The problems, a row each. What to do has no column where the list below says it of all of them.
fn render_table(facts: &RunFacts, listed: &[&Problem]) -> String {
    if listed.is_empty() {
        return String::new();
    }
    let remedies: Vec<Option<String>> = listed.iter().map(|problem| remedy_cell(facts, problem)).collect();
    let has_remedies = remedies.iter().any(Option::is_some);
    let (head, rule) = if has_remedies { (" what to do |", "---|") } else { ("", "") };
    let mut out = format!("| | rule | user | what |{head} since |\n|---|---|---|---|{rule}---|\n");
    for (problem, remedy) in listed.iter().zip(remedies) {
        let remedy = remedy.unwrap_or_else(|| "see below".to_owned());
        let remedy = if has_remedies { format!(" {remedy} |") } else { String::new() };
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} |{remedy} {} |",
            problem.level.name(),
            problem.rule,
            clean(problem.user.as_deref().unwrap_or_default()),
            clean(problem.text.as_deref().unwrap_or_default()),
            since_cell(facts, problem)
        );
    }
    out
}

/// What to do about this problem; `None` if that is what its rule says about all.
fn remedy_cell(facts: &RunFacts, problem: &Problem) -> Option<String> {
    let help = problem.help.as_deref().map(|help| join_steps(help, clean, "<br>"));
    let parts: Vec<String> = facts.pull_request_link(problem).into_iter().chain(help).collect();
    if parts.is_empty() { None } else { Some(parts.join("; ")) }
}

/// The day of the first report, as a link to the run that made it.
fn since_cell(facts: &RunFacts, problem: &Problem) -> String {
    let day = format_day(problem.since);
    match problem.run.and_then(|run| facts.page_of_run(run)) {
        Some(url) => format!("[{day}]({url})"),
        None => day,
    }
}

/// What to do by rule, once for all problems without advice of their own.
fn render_rule_remedies(listed: &[&Problem]) -> String {
    let mut rules: Vec<&str> =
        listed.iter().filter(|problem| problem.help.is_none()).map(|problem| problem.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut out = String::new();
    for rule in rules {
        let _ = writeln!(out, "- `{rule}`: {}", clean(rule_remedy(rule)));
    }
    if out.is_empty() { out } else { format!("\nWhat to do:\n\n{out}") }
}

/// The comment for a decision: what is new or worse, or that all is well.
pub fn render_news(facts: &RunFacts, decision: &Decision) -> String {
    let headline = describe_changes(decision.news.iter().map(|item| item.change));
    let mut out = format!("{headline} ({})\n\n", facts.describe());
    for item in decision.news.iter().take(MAX_NEWS) {
        let _ = writeln!(out, "- {}", news_line(facts, item));
    }
    if decision.news.len() > MAX_NEWS {
        let _ = writeln!(out, "- and {} more", decision.news.len() - MAX_NEWS);
    }
    out
}

fn news_line(facts: &RunFacts, item: &NewsItem) -> String {
    let Problem { level, rule, user, text, .. } = &item.problem;
    let user = user.as_deref().map(|user| format!(" {}", clean(user))).unwrap_or_default();
    let text = text.as_deref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
    let page = facts.pull_request_link(&item.problem).map(|link| format!("{link}; ")).unwrap_or_default();
    let remedy = join_steps(item.problem.remedy(), clean, "<br>");
    format!(
        "**{}** `{rule}`{user}{text} ({})<br>What to do: {page}{remedy}",
        level.name(),
        item.change.name()
    )
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
    use crate::notify::problem::{Change, Level, count_problems};
    use crate::notify::state::{MAX_PROBLEMS, decode_state};

    fn facts() -> RunFacts {
        RunFacts {
            at: "2026-11-28T18:00:00Z".parse().unwrap(),
            policy_file: ".github/keytide.yml".to_owned(),
            origin: ReportOrigin::new(Some("acme/app"), None, "https://github.com"),
            run: Some(WorkflowRun {
                runs_url: "https://github.com/acme/app/actions/runs".to_owned(),
                number: 1,
            }),
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
            help: None,
            pull_request: None,
            since: "2026-11-01T00:00:00Z".parse().unwrap(),
            run: None,
        }
    }

    fn with_counts(state: &IssueState) -> (&IssueState, ProblemCounts) {
        (state, count_problems(&state.problems))
    }

    #[test]
    fn names_from_outside_start_nothing() {
        let marks = SectionMarks::for_policy("a");
        let hostile = "x | y\n<!-- keytide:end --> @me #77 [a](b) ![c](d) --> ```";
        let state = IssueState { problems: vec![problem(1, hostile)], more: 0 };
        let section = render_section(&marks, &facts(), with_counts(&state), 0).unwrap();
        let visible = section.split("<!-- keytide:state").next().unwrap();
        assert_eq!(visible.matches("<!--").count(), 1, "{section}");
        for token in ["@me", "#77", "](b)", "@octocat", "<b>", "x | y"] {
            assert!(!visible.contains(token), "{token}: {section}");
        }
        let kept = decode_state(marks.find_state(&section).unwrap(), facts().at).unwrap();
        assert_eq!(kept, state);
        let news = vec![NewsItem { problem: problem(1, hostile), change: Change::New }];
        let counts = count_problems(&state.problems);
        let decision = Decision { step: crate::notify::decide::IssueStep::Open, state, counts, news };
        let comment = render_news(&facts(), &decision);
        assert!(comment.starts_with("1 new problem (28 Nov 2026, 18:00 UTC, [run]("), "{comment}");
        assert!(!comment.contains("@me") && !comment.contains("<!--"), "{comment}");
    }

    #[test]
    fn every_problem_says_what_to_do_and_links_its_pages() {
        let special = Problem {
            help: Some("Review and merge it".to_owned()),
            pull_request: Some(12),
            run: Some(7),
            ..problem(1, "proposed for 8 days")
        };
        let state = IssueState { problems: vec![special.clone(), problem(2, "old")], more: 0 };
        let section =
            render_section(&SectionMarks::for_policy("a"), &facts(), with_counts(&state), 0).unwrap();
        let page = "pull request [12](https://github.com/acme/app/pull/12); Review and merge it";
        for wanted in [
            format!(
                "| proposed for 8 days | {page} | [1 Nov 2026](https://github.com/acme/app/actions/runs/7) |"
            ),
            "| old | see below | 1 Nov 2026 |".to_owned(),
            format!("\nWhat to do:\n\n- `key-age`: {}\n", clean(rule_remedy("key-age"))),
            "[.github/keytide.yml](https://github.com/acme/app/blob/HEAD/.github/keytide.yml)".to_owned(),
        ] {
            assert!(section.contains(&wanted), "{wanted}\n{section}");
        }
        let news = vec![NewsItem { problem: special, change: Change::Worse }];
        let counts = count_problems(&state.problems);
        let step = crate::notify::decide::IssueStep::Update;
        let comment = render_news(&facts(), &Decision { step, state, counts, news });
        assert!(comment.starts_with("1 problem got worse ("), "{comment}");
        assert!(comment.contains(&format!("(worse)<br>What to do: {page}\n")), "{comment}");
    }

    /// All problems count, also those that the issue has no room for; the column of advice is there only where it says more.
    #[test]
    fn the_first_line_counts_everything() {
        let marks = SectionMarks::for_policy("a");
        let state = |number, more| IssueState { problems: vec![problem(1, "old"); number], more };
        let counts = |errors| ProblemCounts { errors, warnings: 0, due: 0 };
        let section =
            |state: &IssueState, counts| render_section(&marks, &facts(), (state, counts), 0).unwrap();
        let all = section(&state(2, 0), counts(2));
        assert!(
            all.contains("**2 errors** (") && all.contains("| | rule | user | what | since |\n"),
            "{all}"
        );
        let cut = section(&state(3, 563), counts(566));
        assert!(cut.contains("**566 errors; 3 listed** (") && cut.contains("\n563 more are not"), "{cut}");
        let carried = section(&state(3, 7), counts(3));
        assert!(carried.contains("**3 errors, and 7 more; 3 listed** ("), "{carried}");
    }

    #[test]
    fn the_body_never_exceeds_what_github_takes() {
        let marks = SectionMarks::for_policy("a");
        let problems: Vec<Problem> = (0..MAX_PROBLEMS).map(|n| problem(n, &"é|".repeat(300))).collect();
        let state = IssueState { problems, more: 7 };
        for outside in [0, 10_000, 20_000, 60_000] {
            let section = render_section(&marks, &facts(), with_counts(&state), outside).unwrap();
            assert!(section.chars().count() + outside <= MAX_BODY_CHARS);
            let kept = decode_state(marks.find_state(&section).unwrap(), facts().at).unwrap();
            assert_eq!(kept.problems.len() + kept.more, MAX_PROBLEMS + 7);
            assert!(!kept.problems.is_empty() || outside == 60_000);
        }
        assert_eq!(render_section(&marks, &facts(), with_counts(&state), MAX_BODY_CHARS - 300), None);
    }
}
