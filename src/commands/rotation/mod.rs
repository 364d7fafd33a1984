//! `keytide plan`, `rotate`, `rollback` and `resume`: look, decide, take the next step of each user, report.

#[cfg(feature = "online")]
mod setup;
#[cfg(feature = "online")]
mod guard;
#[cfg(feature = "online")]
mod report;
#[cfg(feature = "online")]
mod run_users;

#[cfg(feature = "online")]
pub use online::{plan, read_rotation_statuses, resume, rollback, rotate};

#[cfg(not(feature = "online"))]
pub use offline::{plan, resume, rollback, rotate};

#[cfg(feature = "online")]
mod online {
    use super::setup::{self, CommandRequest, RunContext, SetupError};
    use super::{guard, report, run_users};
    use crate::commands::Context;
    use crate::commands::cli::{OnlyStep, PlanArgs, ResumeArgs, RollbackArgs, RotateArgs};
    use crate::engine::execute::{ChangeBudget, StepFilter};
    use crate::error::CommandError;
    use crate::report::Report;
    use crate::rotation::RotationRequest;
    use crate::system::process_hardening;
    use crate::system::shutdown::ShutdownSignals;

    pub use super::setup::read_rotation_statuses;

    /// Says what would be done.
    pub fn plan(context: &Context<'_>, arguments: &PlanArgs) -> Report {
        let wish = CommandRequest {
            reach: &arguments.reach,
            user: arguments.user.as_ref(),
            request: RotationRequest::default(),
        };
        run_to_report(context, async || {
            let scene = setup::open_for_plan(context, &wish).await?;
            let seen = run_users::plan_users(&scene).await;
            Ok(report::build_report(context, &scene, seen))
        })
    }

    /// Takes the next step of each user.
    pub fn rotate(context: &Context<'_>, arguments: &RotateArgs) -> Report {
        let compromised = arguments.compromised;
        let asked = RotationRequest { start: compromised, compromised, rollback: false };
        let only = match (arguments.only, arguments.no_delete) {
            (Some(OnlyStep::Delete), _) => Some(StepFilter::Delete),
            (None, true) => Some(StepFilter::NoDelete),
            (None, false) => None,
        };
        let budget = ChangeBudget {
            deactivations: arguments.max_deactivations,
            deletions: arguments.max_deletions,
            only,
        };
        let wish = CommandRequest { reach: &arguments.reach, user: arguments.user.as_ref(), request: asked };
        run_steps(context, &wish, budget)
    }

    /// Takes the next step back.
    pub fn rollback(context: &Context<'_>, arguments: &RollbackArgs) -> Report {
        let asked = RotationRequest { rollback: true, ..RotationRequest::default() };
        let wish = CommandRequest { reach: &arguments.reach, user: Some(&arguments.user), request: asked };
        let only = arguments.no_delete.then_some(StepFilter::NoDelete);
        run_steps(context, &wish, ChangeBudget { only, ..ChangeBudget::default() })
    }

    fn run_steps(context: &Context<'_>, wish: &CommandRequest<'_>, mut budget: ChangeBudget) -> Report {
        run_write_command(context, wish, async |scene: &RunContext, signals| {
            Ok(run_users::rotate_users(scene, &mut budget, signals).await)
        })
    }

    /// Notes in the journal that a person has looked.
    pub fn resume(context: &Context<'_>, arguments: &ResumeArgs) -> Report {
        let wish = CommandRequest {
            reach: &arguments.reach,
            user: Some(&arguments.user),
            request: RotationRequest::default(),
        };
        run_write_command(context, &wish, async |scene: &RunContext, _| {
            for task in &scene.user_rotations {
                let resumed =
                    crate::engine::execute::resume_user(&scene.service, task, &arguments.reason).await;
                resumed.map_err(|why| CommandError::incomplete(why.message))?;
            }
            Ok(run_users::plan_users(scene).await)
        })
    }

    /// A command that writes: what it may is settled first, and it ends when it is asked to.
    fn run_write_command(
        context: &Context<'_>,
        wish: &CommandRequest<'_>,
        act: impl AsyncFnOnce(&RunContext, &mut ShutdownSignals) -> Result<Vec<run_users::UserRun>, CommandError>,
    ) -> Report {
        if let Err(error) = guard::ensure_may_write(context) {
            return report::setup_failed(context, SetupError::from_error(error));
        }
        if let Err(why) = process_hardening::keep_private() {
            context.warn(&format!("a crash of this process could leave its memory on disk: {why}"));
        }
        run_to_report(context, async || {
            let listening = ShutdownSignals::start_listening();
            let mut signals = listening.map_err(|error| {
                SetupError::from_error(CommandError::incomplete(format!("no signals: {error}")))
            })?;
            let scene = tokio::select! {
                scene = setup::open_for_changes(context, wish) => scene?,
                () = signals.wait_for_signal() => {
                    return Err(SetupError::from_error(CommandError::incomplete("asked to end before anything was done")));
                }
            };
            let file = scene.policy.file.clone();
            let turns = act(&scene, &mut signals).await;
            let turns = turns.map_err(|error| SetupError::Failed { file, error })?;
            Ok(report::build_report(context, &scene, turns))
        })
    }

    /// Runs a command to its report, whatever happens.
    fn run_to_report(context: &Context<'_>, act: impl AsyncFnOnce() -> Result<Report, SetupError>) -> Report {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                return report::setup_failed(
                    context,
                    SetupError::from_error(CommandError::incomplete(format!("no runtime: {error}"))),
                );
            }
        };
        let report = runtime.block_on(act()).unwrap_or_else(|ended| report::setup_failed(context, ended));
        // What still runs in the background has nothing to say any more.
        runtime.shutdown_background();
        report
    }
}

#[cfg(not(feature = "online"))]
mod offline {
    use crate::commands::Context;
    use crate::commands::cli::{PlanArgs, ResumeArgs, RollbackArgs, RotateArgs};
    use crate::iam::ReadFault;
    use crate::report::Report;

    fn refuse_without_network(context: &Context<'_>, operation: &str) -> Report {
        let message = "this keytide was built without the network".to_owned();
        context.eprint(&format!("error: {message}\n"));
        let fault = ReadFault { user: None, operation: operation.to_owned(), message };
        Report::without_account("", Vec::new(), vec![fault], context.now)
    }

    pub fn plan(context: &Context<'_>, _: &PlanArgs) -> Report {
        refuse_without_network(context, "plan")
    }

    pub fn rotate(context: &Context<'_>, _: &RotateArgs) -> Report {
        refuse_without_network(context, "rotate")
    }

    pub fn rollback(context: &Context<'_>, _: &RollbackArgs) -> Report {
        refuse_without_network(context, "rollback")
    }

    pub fn resume(context: &Context<'_>, _: &ResumeArgs) -> Report {
        refuse_without_network(context, "resume")
    }
}
