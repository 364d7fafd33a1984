//! `keytide fleet report --notify`: keeps an issue in each repository of a report. What fails is a remark of that repository, and
//! keeps no other from its issue.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::notify::{
    IssueUpdate, describe_change, find_foreign_branch, find_obstacle, keep_in_time,
};
use crate::error::CommandError;
use crate::fleet::file::FleetFile;
use crate::fleet::issues::{IssuePlan, PlannedIssue, plan_issues};
use crate::fleet::merge::FleetReport;
use crate::live::{GithubAccess, LiveBackend, ServerTime};
use crate::notify::keep::KeptIssue;
use crate::notify::text::RunFacts;
use crate::notify::webhook::NotifyEvent;
use crate::policy::NotifyIssue;
use crate::ports::BackendResult;
use crate::report::ReportOrigin;

/// How long one issue may take, with waits for GitHub's rate limit.
const TIME_FOR_ONE: Duration = Duration::from_secs(180);
/// How long all issues may take together: the job that writes the report has half an hour.
const TIME_FOR_ALL: Duration = Duration::from_secs(20 * 60);
/// How many issues are opened or commented in one run. GitHub allows 500 such requests an hour.
const MAX_NEWS: usize = 400;
/// How many names of repositories one remark lists.
const MAX_NAMES: usize = 3;

/// What became of the issues.
#[derive(Default)]
struct Outcome {
    /// How many issues were opened, changed and so on.
    events: BTreeMap<&'static str, usize>,
    /// The repositories without their issue, by the reason.
    failed: BTreeMap<String, Vec<String>>,
}

/// Keeps the issues, and adds to the report what became of them.
pub fn notify_repositories(context: &Context<'_>, fleet: &FleetFile, report: &mut FleetReport) {
    if let Some(reason) = find_obstacle(context) {
        add_remark(report, reason);
        return;
    }
    let IssuePlan { issues, refused } = plan_issues(report, fleet);
    if !refused.is_empty() {
        let reason = "not both in the fleet's file and in collection.json";
        add_remark(report, &format!("no issue in {}: {reason}", list_names(&refused)));
    }
    // The client of GitHub is made where it is used: its connections belong to the runtime.
    let kept = connection::run_async(context, async {
        let access = Rc::new(connect(context).map_err(|error| error.message)?);
        ensure_own_branch(context, &access).await?;
        Ok(keep_issues(context, &access, issues, report).await)
    });
    match kept.unwrap_or_else(|error| Err(error.message)) {
        Ok(outcome) => outcome.add_to(report),
        Err(reason) => add_remark(report, &reason),
    }
}

fn connect(context: &Context<'_>) -> Result<GithubAccess, CommandError> {
    let token = connection::require_github_token(context)?;
    let url = connection::github_api_url(context)?;
    let time = Arc::new(ServerTime::new(context.common.now));
    GithubAccess::new(&url, &SecretString::from(token), time)
        .map_err(|error| CommandError::incomplete(error.to_string()))
}

/// Refuses a workflow of another branch than the default one, whose `fleet.yml` no one has approved.
async fn ensure_own_branch(context: &Context<'_>, access: &Rc<GithubAccess>) -> Result<(), String> {
    let environment = context.environment;
    let Some(central) = environment.get("GITHUB_REPOSITORY").filter(|_| environment.in_github_actions())
    else {
        return Ok(());
    };
    let backend = LiveBackend::connect_repository(access, central.to_owned(), environment.clone()).await;
    match find_foreign_branch(context, &backend.map_err(|error| error.to_string())?) {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}

/// One after the other, the worst first: GitHub asks for no more than one change at a time.
async fn keep_issues(
    context: &Context<'_>,
    access: &Rc<GithubAccess>,
    issues: Vec<PlannedIssue>,
    report: &mut FleetReport,
) -> Outcome {
    let started_at = tokio::time::Instant::now();
    let (mut outcome, number) = (Outcome::default(), issues.len());
    for (index, planned) in issues.into_iter().enumerate() {
        context.progress.set_text(&format!("keeping issues: {index} of {number}"));
        let reason = if access.is_exhausted() {
            Some("GitHub's rate limit is reached; the next run goes on")
        } else if started_at.elapsed() > TIME_FOR_ALL {
            Some("the time for issues is over; the next run goes on")
        } else if outcome.events.values().sum::<usize>() >= MAX_NEWS {
            Some("so many issues have changed in this run; the next run goes on")
        } else {
            None
        };
        let kept = match reason {
            Some(reason) => Err(reason.to_owned()),
            None => keep_one(context, access, &planned).await.map_err(|error| error.to_string()),
        };
        let remarks = &mut report.repositories[planned.line].details.remarks;
        match kept {
            Ok((kept, others)) => {
                let told = describe_change(&kept).into_iter().chain(others);
                remarks.extend(told.map(|text| format!("`notify`: {text}")));
                outcome.count(kept.event);
            }
            Err(reason) => {
                remarks.insert(format!("`notify`: the issue was not updated: {reason}"));
                outcome.failed.entry(reason).or_default().push(planned.repository);
            }
        }
    }
    outcome
}

/// Keeps the issue of one repository. Returns what else is to be said with it.
async fn keep_one(
    context: &Context<'_>,
    access: &Rc<GithubAccess>,
    planned: &PlannedIssue,
) -> BackendResult<(KeptIssue, Vec<String>)> {
    let name = planned.repository.clone();
    let backend = LiveBackend::connect_repository(access, name, context.environment.clone()).await?;
    let facts = RunFacts {
        at: planned.observed.at,
        policy_file: planned.policy_file.clone(),
        origin: ReportOrigin::new(Some(&planned.repository), None, context.environment.github_server_url()),
        // The run is one of the central repository, whose name other repositories need not know.
        run: None,
        is_complete: planned.observed.is_complete,
    };
    let update =
        IssueUpdate { settings: &NotifyIssue::default(), facts: &facts, observed: &planned.observed };
    let kept = keep_in_time(&backend, update, TIME_FOR_ONE).await?;
    Ok((kept, backend.take_remarks()))
}

impl Outcome {
    fn count(&mut self, event: Option<NotifyEvent>) {
        if let Some(event) = event {
            *self.events.entry(event.name()).or_default() += 1;
        }
    }

    fn add_to(self, report: &mut FleetReport) {
        for (event, number) in self.events {
            let noun = if number == 1 { "issue" } else { "issues" };
            add_remark(report, &format!("{event} {number} {noun}"));
        }
        for (reason, names) in self.failed {
            add_remark(report, &format!("no issue in {}: {reason}", list_names(&names)));
        }
    }
}

fn add_remark(report: &mut FleetReport, text: &str) {
    report.remarks.insert(format!("`notify`: {text}"));
}

/// `acme/a, acme/b, acme/c and 4 more`.
fn list_names(names: &[String]) -> String {
    let shown = names[..names.len().min(MAX_NAMES)].join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
