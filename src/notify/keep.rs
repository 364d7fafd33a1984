//! Keeps the issue of a policy file, through the port of the issue tracker.
//!
//! GitHub has no compare-and-swap for issues, so two runs at once can both find none and both open one. Each lists the
//! issues again after that. The first in the order of `list_issues` stays; a run whose issue is another closes it as a
//! duplicate. Where the list was late, the next run closes the duplicates.

use super::decide::{Decision, EarlierIssue, IssueStep, decide};
use super::observed::Observed;
use super::section::SectionMarks;
use super::state::decode_state;
use super::text::{RunFacts, issue_title, render_closing, render_duplicate, render_news, render_section};
use super::webhook::NotifyEvent;
use crate::policy::NotifyIssue;
use crate::ports::{BackendError, BackendResult, ErrorKind, IssueEnd, IssueTracker, TrackedIssue};

/// What became of the issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptIssue {
    pub decision: Decision,
    /// `None`: there is no issue.
    pub url: Option<String>,
    /// The change that subscribers were notified of; `None` if there was none.
    pub event: Option<NotifyEvent>,
}

/// Brings the issue in line with what a run found.
///
/// # Errors
/// The tracker refused, or did not answer. What was reported before stays in the issue, so the next run repeats the rest.
pub async fn keep_issue<T: IssueTracker>(
    tracker: &T,
    settings: &NotifyIssue,
    facts: &RunFacts,
    observed: &Observed,
) -> BackendResult<KeptIssue> {
    let marks = SectionMarks::for_policy(&facts.policy_file);
    let issue = find_issue(tracker, &marks).await?;
    let earlier = issue.as_ref().map(|issue| EarlierIssue {
        is_open: issue.is_open,
        state: marks.find_state(&issue.body).and_then(|state| decode_state(state, observed.at)),
    });
    let decision = decide(observed, earlier.as_ref());
    let keeper = Keeper { tracker, settings, facts, marks: &marks };
    let (url, event) = match issue {
        None if decision.step == IssueStep::Open => keeper.open(&decision).await?,
        None => (None, None),
        Some(issue) => (Some(issue.url.clone()), keeper.change(&issue, &decision).await?),
    };
    Ok(KeptIssue { decision, url, event })
}

struct Keeper<'a, T> {
    tracker: &'a T,
    settings: &'a NotifyIssue,
    facts: &'a RunFacts,
    marks: &'a SectionMarks,
}

impl<T: IssueTracker> Keeper<'_, T> {
    async fn open(&self, decision: &Decision) -> BackendResult<(Option<String>, Option<NotifyEvent>)> {
        let body = self.render_body("", decision)?;
        let created = self.tracker.create_issue(&issue_title(self.facts), &body).await?;
        // Another run may have done the same since this one looked.
        let first = list_issues(self.tracker, self.marks).await?.into_iter().next();
        if let Some(first) = first.filter(|first| first.number != created.number) {
            close_duplicate(self.tracker, &created, first.number).await?;
            return Ok((Some(first.url), None));
        }
        self.tracker.add_labels_and_assignees(created.number, self.settings).await;
        Ok((Some(created.url), Some(NotifyEvent::Opened)))
    }

    async fn change(&self, issue: &TrackedIssue, decision: &Decision) -> BackendResult<Option<NotifyEvent>> {
        let (comment, event) = match decision.step {
            IssueStep::Nothing | IssueStep::Open => return Ok(None),
            IssueStep::Close => (Some(render_closing(self.facts)), Some(NotifyEvent::Closed)),
            IssueStep::Reopen => (self.news_comment(decision), Some(NotifyEvent::Reopened)),
            IssueStep::Update => {
                let comment = self.news_comment(decision);
                let event = if comment.is_some() { Some(NotifyEvent::Changed) } else { None };
                (comment, event)
            }
        };
        // Before the state says that it was reported: a run that is cut off in between comments twice, and never not at all.
        if let Some(comment) = comment {
            self.tracker.add_comment(issue.number, &comment).await?;
        }
        // As fresh as can be: what a person has written since the list was read is kept.
        let fresh = self.tracker.read_issue(issue.number).await?;
        let body = self.render_body(&fresh.body, decision)?;
        match decision.step {
            IssueStep::Close => self.tracker.close_issue(issue.number, &body, IssueEnd::Completed).await?,
            IssueStep::Reopen => self.tracker.reopen_issue(issue.number, &body).await?,
            _ if body == fresh.body => {}
            _ => self.tracker.edit_issue(issue.number, &body).await?,
        }
        Ok(event)
    }

    fn news_comment(&self, decision: &Decision) -> Option<String> {
        if decision.news.is_empty() { None } else { Some(render_news(self.facts, decision)) }
    }

    fn render_body(&self, body: &str, decision: &Decision) -> BackendResult<String> {
        let outside = self.marks.count_outside(body);
        let counted = (&decision.state, decision.counts);
        match render_section(self.marks, self.facts, counted, outside) {
            Some(section) => Ok(self.marks.replace(body, &section)),
            None => Err(BackendError::new(
                ErrorKind::Rejected,
                "the text in the issue leaves no room for keytide's part: shorten it",
            )),
        }
    }
}

/// Finds the issue of a policy file, and closes any other of the same file that is open.
async fn find_issue<T: IssueTracker>(
    tracker: &T,
    marks: &SectionMarks,
) -> BackendResult<Option<TrackedIssue>> {
    let mut issues = list_issues(tracker, marks).await?.into_iter();
    let Some(first) = issues.next() else { return Ok(None) };
    for duplicate in issues.filter(|issue| issue.is_open) {
        close_duplicate(tracker, &duplicate, first.number).await?;
    }
    Ok(Some(first))
}

/// The issues of a policy file. Those of GitHub Actions come first, since every workflow accepts them, whichever token it
/// has. Then the oldest.
async fn list_issues<T: IssueTracker>(tracker: &T, marks: &SectionMarks) -> BackendResult<Vec<TrackedIssue>> {
    let mut issues = tracker.find_issues(&|body| marks.are_in(body)).await?;
    issues.sort_by_key(|issue| (!issue.is_by_actions, issue.number));
    Ok(issues)
}

async fn close_duplicate<T: IssueTracker>(
    tracker: &T,
    issue: &TrackedIssue,
    first: u64,
) -> BackendResult<()> {
    tracker.add_comment(issue.number, &render_duplicate(first)).await?;
    tracker.close_issue(issue.number, &issue.body, IssueEnd::Duplicate).await
}
