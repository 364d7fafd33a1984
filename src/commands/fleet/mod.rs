//! `keytide fleet`: the repositories and accounts of an organization as one. Each subcommand is one kind of job.

#[cfg(feature = "online")]
mod audit;
#[cfg(feature = "online")]
mod collect;
#[cfg(feature = "online")]
mod collect_page;
mod output;
#[cfg(feature = "online")]
mod notify;
#[cfg(feature = "online")]
mod policies;
#[cfg(feature = "online")]
mod read_account;
mod report;

use super::cli::FleetCommand;
use super::context::Context;
use crate::error::ExitStatus;

/// Runs one subcommand.
pub fn run(context: &Context<'_>, command: &FleetCommand) -> ExitStatus {
    match command {
        #[cfg(feature = "online")]
        FleetCommand::Collect(arguments) => collect::run(context, arguments),
        #[cfg(feature = "online")]
        FleetCommand::Audit(arguments) => audit::run(context, arguments),
        #[cfg(not(feature = "online"))]
        FleetCommand::Collect(_) | FleetCommand::Audit(_) => output::refuse_offline(context),
        FleetCommand::Report(arguments) => report::run(context, arguments),
    }
}
