//! Reports problems as the policy file's `notify` says, at the end of `audit` and `rotate`: an issue, and a webhook. A
//! failure is a remark in the report, and never changes the exit code.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::connection;
use super::context::Context;
use super::rotation::{connect_github, find_run, repository_path};
use crate::live::LiveBackend;
use crate::live::webhook::send_message;
use crate::notify::keep::{KeptIssue, keep_issue};
use crate::notify::observed::{Observed, observe_audit, observe_rotation};
use crate::notify::problem::{Change, Problem, count_problems};
use crate::notify::text::RunFacts;
use crate::notify::webhook::{MessageLine, NotifyEvent, WebhookMessage};
use crate::policy::{NotifyIssue, NotifyWebhook, Policy};
use crate::ports::{BackendError, BackendResult, ErrorKind, RepositoryContents as _};
use crate::report::Report;
use crate::repository::FileContent;
use crate::system::loopback::is_loopback;
use crate::system::worktree::WorkTree;

/// How long the issue of an audit or a rotation may take, all requests together. The report waits for it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Reports what an audit found.
pub fn notify_of_audit(context: &Context<'_>, policy: &Policy, report: &mut Report) {
    if !has_notify(policy) {
        return;
    }
    if let Some(reason) = find_obstacle(context) {
        add_remark(report, reason);
        return;
    }
    let before = policy.notify.issue.as_ref().and_then(|issue| issue.before);
    let observed = observe_audit(policy, report, before);
    let work = async {
        let backend = if policy.notify.issue.is_some() || context.environment.in_github_actions() {
            connect(context, report).await
        } else {
            // The webhook alone needs no token.
            None
        };
        let reason = match &backend {
            None => None,
            Some(backend) if context.environment.in_github_actions() => find_foreign_branch(context, backend),
            Some(backend) => find_foreign_checkout(context, backend, policy).await,
        };
        if let Some(reason) = reason {
            add_remark(report, &reason);
            return;
        }
        notify(context, policy, backend.as_ref(), report, &observed).await;
    };
    if let Err(error) = connection::run_async(context, work) {
        add_remark(report, &error.message);
    }
}

async fn connect(context: &Context<'_>, report: &mut Report) -> Option<LiveBackend> {
    match connect_github(context).await {
        Ok(backend) => Some(backend),
        Err(error) => {
            add_remark(report, &error.message);
            None
        }
    }
}

/// Reports what `rotate` found. `user`: the only one that it was asked for.
pub async fn notify_of_rotation(
    context: &Context<'_>,
    policy: &Policy,
    backend: &LiveBackend,
    report: &mut Report,
    user: Option<&str>,
) {
    if has_notify(policy) {
        let observed = observe_rotation(report, user);
        notify(context, policy, Some(backend), report, &observed).await;
    }
}

fn has_notify(policy: &Policy) -> bool {
    policy.notify.issue.is_some() || policy.notify.webhook.is_some()
}

fn add_remark(report: &mut Report, reason: &str) {
    report.remarks.push(format!("`notify`: {reason}"));
}

/// Why an audit must not report anything.
pub fn find_obstacle(context: &Context<'_>) -> Option<&'static str> {
    let environment = context.environment;
    // The policy file of a pull request is not in force.
    if environment.get("GITHUB_EVENT_NAME").is_some_and(|event| event.starts_with("pull_request")) {
        return Some("not used in a pull request");
    }
    let is_test = connection::github_api_url(context).is_ok_and(|url| is_loopback(&url));
    // Another time would report what is not so yet, or not any more.
    if context.common.now.is_some() && !is_test {
        return Some("not used with `--now`");
    }
    None
}

/// Says why a workflow of another branch does not report: only the default branch's policy file is in force.
pub fn find_foreign_branch(context: &Context<'_>, backend: &LiveBackend) -> Option<String> {
    let environment = context.environment;
    let is_here = environment.get("GITHUB_REPOSITORY") == Some(backend.repository_name());
    let wanted = format!("refs/heads/{}", backend.default_branch_name());
    match environment.get("GITHUB_REF") {
        Some(reference) if is_here && reference != wanted => {
            Some(format!("only used on the default branch, {}", backend.default_branch_name()))
        }
        _ => None,
    }
}

/// Says why a run outside of a workflow does not report: only the policy file of the default branch's newest commit is in
/// force. The checkout of that commit has no other files that matter to an audit.
async fn find_foreign_checkout(
    context: &Context<'_>,
    backend: &LiveBackend,
    policy: &Policy,
) -> Option<String> {
    let branch = backend.default_branch_name();
    let path = repository_path(Path::new(&policy.file));
    let there = match (&path, backend.read_default_head().await) {
        (Some(path), Ok(head)) => backend.read_file(&head, path).await,
        (None, _) => return Some("only used with a policy file of the repository".to_owned()),
        (_, Err(error)) => Err(error),
    };
    let here = path.map(|path| WorkTree::find_repository(context.environment).read_content(Path::new(&path)));
    match (here, there) {
        (Some(FileContent::Bytes(here)), Ok(Some(there))) if here == there => None,
        (_, Err(error)) => {
            Some(format!("the policy file of the default branch, {branch}, could not be read: {error}"))
        }
        _ => Some(format!("only used with the policy file as it is on the default branch, {branch}")),
    }
}

async fn notify(
    context: &Context<'_>,
    policy: &Policy,
    backend: Option<&LiveBackend>,
    report: &mut Report,
    observed: &Observed,
) {
    let run = find_run(context);
    let observed = &observed.clone().with_run(run.as_ref().map(|run| run.number));
    let facts = RunFacts {
        at: observed.at,
        policy_file: repository_path(Path::new(&policy.file)).unwrap_or_else(|| policy.file.clone()),
        origin: report.origin.clone(),
        run,
        is_complete: observed.is_complete,
    };
    let kept = match (&policy.notify.issue, backend) {
        (Some(settings), Some(backend)) => keep_and_remark(backend, settings, &facts, observed, report).await,
        _ => None,
    };
    if let Some(webhook) = &policy.notify.webhook
        && let Some(message) = compose_message(context, &facts, observed, kept)
    {
        send_to_webhook(context, webhook, &message, report).await;
    }
}

async fn keep_and_remark(
    backend: &LiveBackend,
    settings: &NotifyIssue,
    facts: &RunFacts,
    observed: &Observed,
    report: &mut Report,
) -> Option<KeptIssue> {
    let kept = keep_in_time(backend, IssueUpdate { settings, facts, observed }, TIMEOUT).await;
    report.remarks.extend(backend.take_remarks().into_iter().map(|text| format!("`notify`: {text}")));
    match kept {
        Ok(kept) => {
            if let Some(change) = describe_change(&kept) {
                add_remark(report, &change);
            }
            Some(kept)
        }
        Err(reason) => {
            add_remark(report, &format!("the issue was not updated: {reason}"));
            None
        }
    }
}

/// What an issue is brought in line with.
pub struct IssueUpdate<'a> {
    pub settings: &'a NotifyIssue,
    pub facts: &'a RunFacts,
    pub observed: &'a Observed,
}

/// Brings an issue in line with what was found. The error says why it was not.
pub async fn keep_in_time(
    backend: &LiveBackend,
    update: IssueUpdate<'_>,
    limit: Duration,
) -> BackendResult<KeptIssue> {
    let IssueUpdate { settings, facts, observed } = update;
    let kept = tokio::time::timeout(limit, keep_issue(backend, settings, facts, observed)).await;
    // What was sent may have been done: the next run finds it
    kept.unwrap_or_else(|_| Err(BackendError::new(ErrorKind::Indeterminate, "GitHub did not answer in time")))
}

/// `opened the issue URL`, if there is something that subscribers were notified of.
pub fn describe_change(kept: &KeptIssue) -> Option<String> {
    let (url, event) = (kept.url.as_ref()?, kept.event?);
    Some(format!("{} the issue {url}", event.name()))
}

/// The message of the webhook; `None` if nothing changed. Without an issue nothing is known of earlier runs, so every run
/// with a problem has a message.
fn compose_message(
    context: &Context<'_>,
    facts: &RunFacts,
    observed: &Observed,
    kept: Option<KeptIssue>,
) -> Option<WebhookMessage> {
    let mut news = Vec::new();
    let (event, problems, counts, issue_url) = match kept {
        Some(kept) => {
            news = kept.decision.news;
            (kept.event?, kept.decision.state.problems, kept.decision.counts, kept.url)
        }
        None if observed.problems.is_empty() => return None,
        None => {
            let problems = observed.problems.clone();
            let counts = count_problems(&problems);
            (NotifyEvent::Found, problems, counts, None)
        }
    };
    let mut lines: Vec<MessageLine> =
        news.into_iter().map(|item| message_line(facts, item.problem, Some(item.change))).collect();
    if lines.is_empty() {
        // No earlier run is known, or a person has closed the issue: the message lists what there is.
        lines = problems.into_iter().map(|problem| message_line(facts, problem, None)).collect();
    }
    Some(WebhookMessage {
        event,
        at: facts.at,
        repository: context.repository_name().unwrap_or_default(),
        policy_file: facts.policy_file.clone(),
        counts,
        lines,
        issue_url,
        run_url: facts.run_url(),
        policy_url: facts.origin.file_url(&facts.policy_file),
    })
}

fn message_line(facts: &RunFacts, problem: Problem, change: Option<Change>) -> MessageLine {
    let pull_request_url = problem.pull_request.and_then(|number| facts.origin.pull_request_url(number));
    MessageLine { problem, change, pull_request_url }
}

async fn send_to_webhook(
    context: &Context<'_>,
    webhook: &NotifyWebhook,
    message: &WebhookMessage,
    report: &mut Report,
) {
    let name = &webhook.url_from.0;
    let Some(url) = context.environment.get(name) else {
        add_remark(report, &format!("the webhook got no message: {name} is not set"));
        return;
    };
    let text = message.render(webhook.format);
    if let Err(error) = send_message(&SecretString::from(url), webhook.format, &text).await {
        add_remark(report, &format!("the webhook of {name} got no message: {error}"));
    }
}
