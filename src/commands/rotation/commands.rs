//! The four rotation commands, each from its arguments to its report.

use super::committed_policy::describe_other_policy;
use super::context::{CommandRequest, RunContext};
use super::run_users::UserRun;
use super::{guard, history, report, run_users, setup};
use crate::commands::cli::{OnlyStep, PlanArgs, ResumeArgs, RollbackArgs, RotateArgs};
use crate::commands::connection;
use crate::commands::context::Context;
use crate::commands::failure::CommandFailure;
use crate::commands::notify::notify_of_rotation;
use crate::commands::terraform_files::find_keys_in_worktree;
use crate::engine::execute::{self, ChangeBudget, Resumption, StepFilter};
use crate::error::CommandError;
use crate::report::Report;
use crate::repository::ManagedKeys;
use crate::rotation::RotationRequest;
use crate::rotation::journal::ROLLBACK_REQUESTED;
use crate::system::shutdown::ShutdownSignals;
use crate::system::worktree::WorkTree;

/// `keytide plan`: shows the next step of each user and changes nothing.
pub fn plan(context: &Context<'_>, arguments: &PlanArgs) -> Result<Report, CommandFailure> {
    let request = CommandRequest {
        aws: &arguments.aws,
        user: arguments.user.as_ref(),
        asked: RotationRequest::default(),
        rollback_reason: None,
    };
    connection::run_async(context, async {
        let run = setup::open_for_plan(context, &request).await?;
        let other = describe_other_policy(context, &run.backend, &run.policy.file).await;
        other.into_iter().for_each(|remark| run.backend.add_remark(remark));
        let user_runs = run_users::plan_users(&run).await;
        let managed_keys = find_keys_in_worktree(&WorkTree::find_repository(context.environment));
        let mut report = report::build_report(context, &run, &user_runs, managed_keys);
        if arguments.history {
            history::add_histories(&run, &mut report).await;
        }
        Ok(report)
    })?
}

/// `keytide rotate`: performs the next step of each user.
pub fn rotate(context: &Context<'_>, arguments: &RotateArgs) -> Result<Report, CommandFailure> {
    let compromised = arguments.compromised;
    let asked = RotationRequest { start: compromised, compromised, ..RotationRequest::default() };
    let user = arguments.user.as_ref();
    let request = CommandRequest { aws: &arguments.aws, user, asked, rollback_reason: None };
    let budget = ChangeBudget {
        deactivations: arguments.max_deactivations,
        deletions: arguments.max_deletions,
        only: match arguments.only {
            Some(OnlyStep::Delete) => Some(StepFilter::Delete),
            None => no_delete(arguments.no_delete),
        },
    };
    let notice = if arguments.no_notify { Notice::None } else { Notice::AfterRun };
    run_write_command(context, &request, notice, async |run: &RunContext, signals| {
        Ok(run_users::rotate_users(run, &mut budget.clone(), signals).await)
    })
}

/// `keytide rollback`: performs the next step that undoes the rotation.
pub fn rollback(context: &Context<'_>, arguments: &RollbackArgs) -> Result<Report, CommandFailure> {
    let reactivate_compromised = arguments.reactivate_compromised_key;
    let asked = RotationRequest { rollback: true, reactivate_compromised, ..RotationRequest::default() };
    let reason = describe_request(context.environment.get("GITHUB_ACTOR"), arguments.reason.as_deref());
    let rollback_reason = Some(&*reason);
    let request = CommandRequest { aws: &arguments.aws, user: Some(&arguments.user), asked, rollback_reason };
    let budget = ChangeBudget { only: no_delete(arguments.no_delete), ..ChangeBudget::default() };
    run_write_command(context, &request, Notice::None, async |run: &RunContext, signals| {
        for user in run.user_names() {
            ensure_rollback_possible(run, user, reactivate_compromised).await?;
        }
        Ok(run_users::rotate_users(run, &mut budget.clone(), signals).await)
    })
}

/// Why a rollback is requested, and by whom where GitHub says it. The journal keeps it, and `plan` shows it to the next person.
fn describe_request(actor: Option<&str>, reason: Option<&str>) -> String {
    let is_login = |name: &&str| {
        let name = name.strip_suffix("[bot]").unwrap_or(name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let by = actor.filter(is_login).map(|actor| format!(" by {actor}"));
    let reason = reason.map(|reason| format!(": {reason}"));
    [ROLLBACK_REQUESTED.to_owned(), by.unwrap_or_default(), reason.unwrap_or_default()].concat()
}

/// Refuses a rollback that no run could begin, before anything is written.
async fn ensure_rollback_possible(
    run: &RunContext,
    user: &str,
    reactivate_compromised: bool,
) -> Result<(), CommandError> {
    // What cannot be read or trusted is reported by the run itself.
    let Ok(journal) = run.read_journal(user).await else { return Ok(()) };
    if journal.fault.is_some() || journal.unknown_event.is_some() {
        return Ok(());
    }
    match &journal.open {
        None if journal.hold_reason.is_none() => {
            let message = format!("nothing to roll back: no rotation of `{user}` is under way");
            Err(CommandError::invalid(message)
                .with_help(format!("`keytide plan --user {user} --history` shows how the last one ended")))
        }
        Some(open) if open.compromised && open.rollback.is_none() && !reactivate_compromised => {
            let old = open.old.as_deref().unwrap_or_default();
            let message = format!(
                "refused: the old key {old} of `{user}` is marked as compromised, and a rollback would activate it again for everyone who has a copy"
            );
            Err(CommandError::invalid(message).with_help(
                "let `keytide rotate` finish the rotation, or accept that: add `--reactivate-compromised-key`",
            ))
        }
        _ => Ok(()),
    }
}

/// `keytide resume`: records in the journal that the rotation may continue.
pub fn resume(context: &Context<'_>, arguments: &ResumeArgs) -> Result<Report, CommandFailure> {
    let request = CommandRequest {
        aws: &arguments.aws,
        user: Some(&arguments.user),
        asked: RotationRequest::default(),
        rollback_reason: None,
    };
    run_write_command(context, &request, Notice::None, async |run: &RunContext, _| {
        for rotation in &run.all_rotations().await {
            let resumed = execute::resume_user(&run.backend, rotation, &arguments.reason)
                .await
                .map_err(|error| CommandError::incomplete(error.message))?;
            if let Resumption::NotNeeded(phase) = resumed {
                let what = format!("nothing to resume for `{}`: its phase is {phase}", rotation.user);
                run.backend.add_remark(what);
            }
        }
        Ok(run_users::plan_users(run).await)
    })
}

fn no_delete(is_set: bool) -> Option<StepFilter> {
    if is_set { Some(StepFilter::NoDelete) } else { None }
}

/// Whether a command reports problems as `notify` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    None,
    AfterRun,
}

/// Runs a command that writes: first checks that it may, then lets a signal end it early.
fn run_write_command(
    context: &Context<'_>,
    request: &CommandRequest<'_>,
    notice: Notice,
    act: impl AsyncFnOnce(&RunContext, &mut ShutdownSignals) -> Result<Vec<UserRun>, CommandError>,
) -> Result<Report, CommandFailure> {
    guard::ensure_may_write(context)?;
    connection::run_async(context, async {
        let mut signals = ShutdownSignals::start_listening()
            .map_err(|error| CommandError::incomplete(format!("cannot listen for signals: {error}")))?;
        let run = tokio::select! {
            run = setup::open_for_changes(context, request) => run?,
            () = signals.wait_for_signal() => {
                return Err(CommandError::incomplete("interrupted before any change").into());
            }
        };
        let user_runs = act(&run, &mut signals)
            .await
            .map_err(|error| CommandFailure::after_policy(&run.policy.file, error))?;
        let mut report = report::build_report(context, &run, &user_runs, ManagedKeys::default());
        if notice == Notice::AfterRun && !user_runs.iter().any(UserRun::was_cut_off) {
            let user = request.user.map(|user| user.0.as_str());
            tokio::select! {
                () = notify_of_rotation(context, &run.policy, &run.backend, &mut report, user) => {}
                // The report must still be written in the time that is left.
                () = signals.wait_for_signal() => {}
            }
        }
        Ok(report)
    })?
}

#[cfg(test)]
mod tests {
    use super::describe_request;

    #[test]
    fn a_request_names_who_asked_and_why() {
        assert_eq!(describe_request(None, None), "a rollback was requested");
        assert_eq!(describe_request(Some("octocat"), None), "a rollback was requested by octocat");
        let both = describe_request(Some("acme-app[bot]"), Some("INC-7"));
        assert_eq!(both, "a rollback was requested by acme-app[bot]: INC-7");
        assert_eq!(describe_request(Some("no\nlogin"), Some("INC-7")), "a rollback was requested: INC-7");
    }
}
