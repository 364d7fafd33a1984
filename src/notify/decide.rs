//! Decides what happens to the issue, from what a run found and what the issue says was reported. Pure and total.

use super::observed::Observed;
use super::problem::{Change, Level, NewsItem, Problem, ProblemCounts, count_problems};
use super::state::{IssueState, MAX_PROBLEMS};

/// The issue as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierIssue {
    pub is_open: bool,
    /// `None`: the state is missing or damaged.
    pub state: Option<IssueState>,
}

/// What happens to the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueStep {
    Nothing,
    Open,
    /// The marked part is rewritten; there is a comment if there is news.
    Update,
    /// The same, and the issue is closed with a comment.
    Close,
    /// The same, and the issue is opened again.
    Reopen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub step: IssueStep,
    /// All problems from now on, the worst first.
    pub state: IssueState,
    /// How many problems there are, with those that the state has no room for as far as this run knows them.
    pub counts: ProblemCounts,
    /// The problems that are new or worse.
    pub news: Vec<NewsItem>,
}

/// Decides what happens to the issue.
pub fn decide(observed: &Observed, earlier: Option<&EarlierIssue>) -> Decision {
    let known = earlier.and_then(|issue| issue.state.as_ref());
    let problems = merge_problems(observed, known);
    let news = find_news(&problems, known);
    let counts = count_problems(&problems);
    let state = keep_worst(problems, observed, known);
    // What a damaged state held is not known, so only a run that sees everything may say that all is well.
    let may_close = observed.is_complete
        && (observed.scope.is_everything() || earlier.is_none_or(|issue| issue.state.is_some()));
    let is_well = state.problems.is_empty() && state.more == 0;
    let step = match earlier.map(|issue| issue.is_open) {
        None if is_well => IssueStep::Nothing,
        None => IssueStep::Open,
        Some(false) if is_well => IssueStep::Nothing,
        Some(false) => IssueStep::Reopen,
        Some(true) if is_well && may_close => IssueStep::Close,
        Some(true) => IssueStep::Update,
    };
    Decision { step, state, counts, news }
}

/// The problems of this run, and the earlier ones that it could not see; the worst first.
fn merge_problems(observed: &Observed, known: Option<&IssueState>) -> Vec<Problem> {
    let earlier = known.map_or(&[][..], |state| &state.problems);
    let mut problems = Vec::new();
    for problem in &observed.problems {
        let old = earlier.iter().find(|old| old.key == problem.key).unwrap_or(problem);
        let first = if old.since <= problem.since { old } else { problem };
        problems.push(Problem { since: first.since, run: first.run, ..problem.clone() });
    }
    for old in earlier {
        let is_seen = observed.problems.iter().any(|problem| problem.key == old.key);
        let is_solved = observed.is_complete && observed.scope.covers(old);
        if !is_seen && !is_solved {
            problems.push(old.clone());
        }
    }
    problems.sort_by(|a, b| (b.level, a.rule, &a.user, &a.key).cmp(&(a.level, b.rule, &b.user, &b.key)));
    problems
}

/// The problems that an issue has room for, and how many there are besides.
fn keep_worst(mut problems: Vec<Problem>, observed: &Observed, known: Option<&IssueState>) -> IssueState {
    let mut more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if !observed.is_complete || !observed.scope.is_everything() {
        // No run but a complete audit knows what became of those that were not kept.
        more = more.max(known.map_or(0, |state| state.more));
    }
    IssueState { problems, more }
}

/// The problems that are new or worse.
fn find_news(problems: &[Problem], known: Option<&IssueState>) -> Vec<NewsItem> {
    let mut news = Vec::new();
    for problem in problems {
        let old = known.and_then(|known| known.problems.iter().find(|old| old.key == problem.key));
        let change = match old {
            Some(old) if problem.level > old.level => Change::Worse,
            Some(_) => continue,
            None if was_left_out(problem.level, known) => continue,
            None => Change::New,
        };
        news.push(NewsItem { problem: problem.clone(), change });
    }
    news
}

/// Whether a problem of this level may be one that an earlier run had no room for: the worst are kept, so it is not worse
/// than the last one that was kept.
fn was_left_out(level: Level, known: Option<&IssueState>) -> bool {
    known.is_some_and(|known| known.more > 0 && known.problems.last().is_none_or(|last| level <= last.level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::observed::Scope;
    use std::collections::BTreeSet;
    use std::slice::from_ref;

    fn problem(key: &str, level: Level, rule: &'static str, user: &str) -> Problem {
        let since = jiff::Timestamp::from_second(50).unwrap();
        Problem {
            key: key.to_owned(),
            level,
            rule,
            user: Some(user.to_owned()),
            text: None,
            help: None,
            pull_request: None,
            since,
            run: None,
        }
    }

    fn audit() -> Scope {
        Scope::Audit {
            known_rotations: BTreeSet::new(),
            unknown_rotations: BTreeSet::new(),
            skipped: BTreeSet::new(),
        }
    }

    fn rotation(user: Option<&str>) -> Scope {
        Scope::Rotation { user: user.map(str::to_owned) }
    }

    fn observed(problems: &[Problem], scope: Scope, is_complete: bool) -> Observed {
        let at = jiff::Timestamp::from_second(100).unwrap();
        Observed { at, problems: problems.to_vec(), scope, is_complete }
    }

    fn issue(is_open: bool, problems: &[Problem]) -> EarlierIssue {
        EarlierIssue { is_open, state: Some(IssueState { problems: problems.to_vec(), more: 0 }) }
    }

    fn steps(decision: &Decision) -> (IssueStep, usize, usize) {
        (decision.step, decision.state.problems.len(), decision.news.len())
    }

    #[test]
    fn a_complete_audit_opens_updates_closes_and_reopens() {
        let old = problem("a", Level::Warning, "key-age", "u");
        let worse = Problem { level: Level::Error, ..old.clone() };
        let better = Problem { level: Level::Due, ..old.clone() };
        let run = |found: &[Problem], earlier: Option<&EarlierIssue>| {
            steps(&decide(&observed(found, audit(), true), earlier))
        };
        let (open, closed) = (issue(true, from_ref(&old)), issue(false, &[]));
        assert_eq!(run(&[], None), (IssueStep::Nothing, 0, 0));
        assert_eq!(run(from_ref(&old), None), (IssueStep::Open, 1, 1));
        assert_eq!(run(from_ref(&old), Some(&open)), (IssueStep::Update, 1, 0));
        assert_eq!(run(&[worse], Some(&open)), (IssueStep::Update, 1, 1));
        assert_eq!(run(&[better], Some(&open)), (IssueStep::Update, 1, 0));
        assert_eq!(run(&[], Some(&open)), (IssueStep::Close, 0, 0));
        assert_eq!(run(&[], Some(&closed)), (IssueStep::Nothing, 0, 0));
        assert_eq!(run(from_ref(&old), Some(&closed)), (IssueStep::Reopen, 1, 1));
        // A person closed it: nothing is new.
        assert_eq!(run(from_ref(&old), Some(&issue(false, from_ref(&old)))), (IssueStep::Reopen, 1, 0));
    }

    #[test]
    fn a_run_that_could_not_finish_solves_nothing() {
        let old = problem("a", Level::Warning, "key-age", "u");
        let decision = decide(&observed(&[], audit(), false), Some(&issue(true, &[old])));
        assert_eq!(steps(&decision), (IssueStep::Update, 1, 0));
        let decision = decide(&observed(&[], audit(), false), Some(&issue(true, &[])));
        assert_eq!(decision.step, IssueStep::Update);
    }

    #[test]
    fn a_rotation_solves_only_what_it_sees() {
        let age = problem("a", Level::Error, "key-age", "u");
        let stalled = problem("b", Level::Error, "stalled-rotation", "u");
        let earlier = issue(true, &[age.clone(), stalled.clone()]);
        let left = |scope| decide(&observed(&[], scope, true), Some(&earlier)).state.problems;
        assert_eq!(left(rotation(None)), std::slice::from_ref(&age));
        assert_eq!(left(rotation(Some("u"))), std::slice::from_ref(&age));
        assert_eq!(left(rotation(Some("other"))), [age, stalled.clone()]);
        let only_stalled = issue(true, &[stalled]);
        assert_eq!(decide(&observed(&[], rotation(None), true), Some(&only_stalled)).step, IssueStep::Close);
    }

    /// An audit in the repository and the fleet's report keep the same issue, and each leaves what the other alone can see.
    #[test]
    fn the_audit_of_a_fleet_solves_only_what_it_sees() {
        let age = problem("a", Level::Error, "key-age", "u");
        let due = problem("b", Level::Due, "key-age", "v");
        let unseen = problem("c", Level::Error, "unused-key", "u");
        let mut kept = vec![unseen, due];
        for rule in ["root-key", "stalled-rotation", "stale-reference"] {
            kept.push(problem(rule, Level::Error, rule, "u"));
        }
        let earlier = issue(true, &[kept.clone(), vec![age.clone()]].concat());
        let fleet =
            |unseen: &[&str]| Scope::Fleet { unseen: unseen.iter().map(|rule| (*rule).to_owned()).collect() };
        let decision = decide(&observed(&[], fleet(&["unused-key"]), true), Some(&earlier));
        let left: BTreeSet<&str> =
            decision.state.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(left, kept.iter().map(|problem| problem.key.as_str()).collect());
        let only_age = issue(true, &[age]);
        assert_eq!(decide(&observed(&[], fleet(&[]), true), Some(&only_age)).step, IssueStep::Close);
        // Nothing is left of more problems than the issue had room for.
        let crowded =
            EarlierIssue { state: Some(IssueState { problems: Vec::new(), more: 9 }), is_open: true };
        assert_eq!(decide(&observed(&[], fleet(&[]), true), Some(&crowded)).step, IssueStep::Close);
        assert_eq!(decide(&observed(&[], fleet(&["key-age"]), true), Some(&crowded)).step, IssueStep::Update);
    }

    #[test]
    fn an_audit_that_read_no_journals_keeps_what_is_said_of_rotations() {
        let stalled = problem("b", Level::Error, "stalled-rotation", "u");
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let left = |known: &[&str], unknown: &[&str]| {
            let scope = Scope::Audit {
                known_rotations: names(known),
                unknown_rotations: names(unknown),
                skipped: BTreeSet::new(),
            };
            decide(&observed(&[], scope, true), Some(&issue(true, from_ref(&stalled)))).step
        };
        assert_eq!(left(&[], &["u"]), IssueStep::Update);
        assert_eq!(left(&[], &["other"]), IssueStep::Update);
        assert_eq!(left(&["u"], &["other"]), IssueStep::Close);
        assert_eq!(left(&[], &[]), IssueStep::Close);
    }

    /// An audit of a few users reads no credential report, which alone shows the root user's key.
    #[test]
    fn a_rule_that_was_skipped_solves_nothing() {
        let found = [problem("a", Level::Error, "root-key", "u"), problem("b", Level::Error, "key-age", "u")];
        let left = |skipped: &[&'static str]| {
            let scope = Scope::Audit {
                known_rotations: BTreeSet::new(),
                unknown_rotations: BTreeSet::new(),
                skipped: skipped.iter().copied().collect(),
            };
            let decision = decide(&observed(&[], scope, true), Some(&issue(true, &found)));
            (decision.step, decision.state.problems.len())
        };
        assert_eq!(left(&["root-key"]), (IssueStep::Update, 1));
        assert_eq!(left(&[]), (IssueStep::Close, 0));
    }

    #[test]
    fn a_damaged_state_closes_nothing_but_in_a_complete_audit() {
        let damaged = EarlierIssue { is_open: true, state: None };
        let step = |scope, complete| decide(&observed(&[], scope, complete), Some(&damaged)).step;
        assert_eq!(step(rotation(None), true), IssueStep::Update);
        assert_eq!(step(audit(), false), IssueStep::Update);
        assert_eq!(step(audit(), true), IssueStep::Close);
        let found = [problem("a", Level::Error, "key-age", "u")];
        assert_eq!(decide(&observed(&found, audit(), true), Some(&damaged)).news.len(), 1);
    }

    #[test]
    fn problems_without_room_are_counted_and_not_called_new_later() {
        let mut found: Vec<Problem> = (0..MAX_PROBLEMS + 5)
            .map(|number| problem(&format!("{number:016}"), Level::Warning, "key-age", "u"))
            .collect();
        let first = decide(&observed(&found, audit(), true), None);
        assert_eq!((first.state.problems.len(), first.state.more), (MAX_PROBLEMS, 5));
        assert_eq!((first.counts.total(), first.news.len()), (MAX_PROBLEMS + 5, MAX_PROBLEMS + 5));
        let earlier = EarlierIssue { is_open: true, state: Some(first.state) };
        found.remove(0);
        let second = decide(&observed(&found, audit(), true), Some(&earlier));
        assert_eq!((second.state.more, second.news.len()), (4, 0));
        found.push(problem("f", Level::Error, "root-key", "u"));
        assert_eq!(decide(&observed(&found, audit(), true), Some(&earlier)).news.len(), 1);
        // `rotate` does not know what became of them.
        assert_eq!(decide(&observed(&[], rotation(None), true), Some(&earlier)).state.more, 5);
    }
}
