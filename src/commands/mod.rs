//! Parses the command line and runs one command. Each command has its own module.

mod action;
mod audit;
mod check;
mod cli;
mod completions;
#[cfg(feature = "online")]
mod connection;
mod context;
pub mod demo;
#[cfg(feature = "online")]
mod doctor;
mod excerpts;
mod explain;
mod failure;
mod fleet;
mod hyphen_names;
mod iam_policy;
mod init;
mod migrate;
#[cfg(feature = "online")]
mod notify;
#[cfg(not(feature = "online"))]
mod offline;
mod output;
mod policy_file;
mod progress;
#[cfg(feature = "online")]
mod rotation;
mod standard_output;
mod terraform_files;

use std::ffi::OsString;

use clap::Parser;

pub use cli::Cli;
use cli::values::ReportFile;
use cli::{Command, FleetArgs, FleetCommand, add_hint, render_usage_error};
use context::{Context, write_stdout, write_usage_error};
use hyphen_names::separate_file_names;
#[cfg(not(feature = "online"))]
use offline::{doctor, rotation};
use progress::ProgressLine;

use crate::error::{CommandError, ExitStatus};
use crate::policy::schema;
use crate::system::clock;
use crate::system::environment::ProcessEnvironment;

/// Runs one command and returns its exit code. In a GitHub workflow, a call without arguments takes them from the
/// inputs of the action.
pub fn run(environment: &ProcessEnvironment, arguments: Vec<OsString>) -> ExitStatus {
    if environment.in_github_actions() && arguments.len() <= 1 {
        return run_action(environment);
    }
    // Before clap: it would take the name for the option, and the option would already apply
    let arguments = match separate_file_names(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let help = "write `--` before the names of files";
            write_usage_error(environment, &format!("error: {error}\n  help: {help}\n"));
            return ExitStatus::Invalid;
        }
    };
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => run_command(&cli, environment),
        Err(error) => print_clap_error(&add_hint(error, &arguments), environment),
    }
}

/// Runs the command that the inputs of the action describe.
fn run_action(environment: &ProcessEnvironment) -> ExitStatus {
    let parsed = action::arguments_from_inputs(environment).and_then(|arguments| {
        Cli::try_parse_from(arguments).map_err(|error| action::error_from_clap(&error))
    });
    match parsed {
        Ok(cli) => run_command(&cli, environment),
        Err(error) => output::deliver_input_error(environment, &error, clock::system_time()),
    }
}

fn run_command(cli: &Cli, environment: &ProcessEnvironment) -> ExitStatus {
    let now = cli.common.now.unwrap_or_else(clock::system_time);
    let progress = ProgressLine::start(environment, cli.common.quiet, describe_work(&cli.command));
    let context = Context { common: &cli.common, environment, now, progress: &progress };
    if let Some(error) = find_unused_report(cli) {
        context.print_error(&error);
        return error.exit;
    }
    // Before the command: it may change keys, and its report must then be writable
    if let Err(exit) = output::prepare_report_files(&context, cli.command.name()) {
        return exit;
    }
    let result = match &cli.command {
        Command::Audit(arguments) => audit::run(&context, arguments),
        Command::Check(arguments) => check::run(&context, arguments),
        Command::Plan(arguments) => rotation::plan(&context, arguments),
        Command::Rotate(arguments) => rotation::rotate(&context, arguments),
        Command::Rollback(arguments) => rotation::rollback(&context, arguments),
        Command::Resume(arguments) => rotation::resume(&context, arguments),
        Command::Demo(arguments) => return demo::run_demo(&context, arguments),
        Command::Init(arguments) => return init::run(&context, arguments),
        Command::Migrate(arguments) => return migrate::run(&context, arguments),
        Command::Doctor(arguments) => return doctor::run(&context, arguments),
        Command::Fleet(arguments) => return fleet::run(&context, &arguments.command),
        Command::Explain { topic } => {
            return print_text(&context, explain::run(topic.as_deref(), context.text_style()));
        }
        Command::Schema => return print_text(&context, Ok(schema::published_text())),
        Command::IamPolicy(arguments) => return iam_policy::run(&context, arguments),
        Command::Completions { shell } => return write_stdout(&completions::render_script(*shell)),
    };
    progress.end();
    output::deliver_result(&context, cli.command.name(), result)
}

/// The error of a `--report` that the command would not write.
fn find_unused_report(cli: &Cli) -> Option<CommandError> {
    let help = match &cli.command {
        Command::Audit(_) | Command::Check(_) | Command::Plan(_) | Command::Rotate(_) => return None,
        Command::Rollback(_) | Command::Resume(_) | Command::Demo(_) => return None,
        Command::Fleet(FleetArgs { command: FleetCommand::Collect(_) }) => {
            "leave it out here; `keytide fleet report` takes it"
        }
        // One that stands before the subcommand has a format of the other commands
        Command::Fleet(_) if cli.common.reports.iter().all(ReportFile::is_of_fleet) => return None,
        Command::Fleet(_) => {
            "write it behind the name of the subcommand: `keytide fleet report FOLDER --report FORMAT=FILE`"
        }
        _ => "redirect standard output to write a file",
    };
    if cli.common.reports.is_empty() {
        return None;
    }
    let message =
        format!("`keytide {}` writes no report here: --report would do nothing", cli.command.name());
    Some(CommandError::invalid(message).with_help(help))
}

/// What a command waits for, for the line on the terminal; empty where it waits for nothing.
fn describe_work(command: &Command) -> &'static str {
    match command {
        Command::Audit(arguments) if arguments.credential_report.is_none() => "reading the account from AWS",
        Command::Check(_) => "searching the files",
        Command::Plan(_) => "reading AWS and GitHub",
        Command::Rotate(_) | Command::Rollback(_) | Command::Resume(_) => "working with AWS and GitHub",
        Command::Init(_) => "searching the files and reading the account",
        Command::Migrate(_) => "reading the files, AWS and GitHub",
        Command::Doctor(_) => "asking AWS, GitHub and the destinations",
        Command::IamPolicy(_) => "reading the repository from GitHub",
        Command::Fleet(_) => "reading the fleet",
        _ => "",
    }
}

/// Prints what clap answers: help and version on standard output, a usage error on standard error.
fn print_clap_error(error: &clap::Error, environment: &ProcessEnvironment) -> ExitStatus {
    if error.use_stderr() {
        write_usage_error(environment, &render_usage_error(error));
        return ExitStatus::Invalid;
    }
    let text = error.render();
    if environment.stdout_wants_colour() {
        return write_stdout(&text.ansi().to_string());
    }
    write_stdout(&text.to_string())
}

/// Prints the result of a command that is only a text.
fn print_text(context: &Context<'_>, text: Result<String, CommandError>) -> ExitStatus {
    match text {
        Ok(text) => write_stdout(&text),
        Err(error) => {
            context.print_error(&error);
            error.exit
        }
    }
}
