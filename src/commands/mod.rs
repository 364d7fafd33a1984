//! One file a command: gather, decide, act, report. Here: which one, and where the report goes.

mod action;
mod audit;
mod check;
mod cli;
mod completions;
pub mod demo;
mod output;
mod explain;
mod iam_policy;
mod init;
mod policy_file;
mod rotation;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::Parser;
use jiff::Timestamp;

pub use cli::Cli;
use cli::{ColorChoice, Command, CommonArgs};

use crate::error::{CommandError, ExitStatus};
use crate::iam::ReadFault;
use crate::report::{KeyIds, Report, ReportFormat};
use crate::repository;
use crate::rules::{self, invalid_policy};
use crate::sanitize;
use crate::system::environment::ProcessEnvironment;
use crate::system::{clock, files};

/// More than any `.git/config` has that a person wrote.
const MAX_GIT_CONFIG_BYTES: usize = 1024 * 1024;

/// What every command is given.
pub struct Context<'a> {
    pub common: &'a CommonArgs,
    pub environment: &'a ProcessEnvironment,
    pub now: Timestamp,
}

/// Runs one command and tells its exit code. In a GitHub workflow without arguments, the action's inputs are them.
pub fn run(environment: &ProcessEnvironment, arguments: Vec<OsString>) -> ExitStatus {
    if !environment.in_github_actions() || arguments.len() > 1 {
        return match Cli::try_parse_from(arguments) {
            Ok(cli) => run_command(&cli, environment),
            Err(error) => print_clap_error(&error, environment),
        };
    }
    let parsed = action::arguments_from_inputs(environment)
        .and_then(|arguments| Cli::try_parse_from(arguments).map_err(|error| error.render().to_string()));
    match parsed {
        Ok(cli) => run_command(&cli, environment),
        Err(told) => refuse_inputs(&told, environment),
    }
}

fn run_command(cli: &Cli, environment: &ProcessEnvironment) -> ExitStatus {
    let now = cli.common.now.unwrap_or_else(clock::system_time);
    let context = Context { common: &cli.common, environment, now };
    match &cli.command {
        Command::Audit(arguments) => output::deliver_report(&context, audit::run(&context, arguments)),
        Command::Check(arguments) => output::deliver_report(&context, check::run(&context, arguments)),
        Command::Plan(arguments) => output::deliver_report(&context, rotation::plan(&context, arguments)),
        Command::Rotate(arguments) => output::deliver_report(&context, rotation::rotate(&context, arguments)),
        Command::Rollback(arguments) => {
            output::deliver_report(&context, rotation::rollback(&context, arguments))
        }
        Command::Resume(arguments) => output::deliver_report(&context, rotation::resume(&context, arguments)),
        Command::Demo(arguments) => demo::run_demo(&context, arguments),
        Command::Init(arguments) => init::run(&context, arguments),
        Command::Explain { topic } => print_text(&context, explain::run(topic.as_deref())),
        Command::Schema => print_text(
            &context,
            Ok(pretty_json(&crate::policy::schema::published_schema(&rules::exemptible_rules()))),
        ),
        Command::IamPolicy(arguments) => print_text(&context, iam_policy::run(&context, arguments)),
        Command::Completions { shell } => print_text(&context, Ok(completions::render_script(*shell))),
    }
}

/// A wrong command line, or one that asks for help: clap's words, on the stream that they belong to.
fn print_clap_error(error: &clap::Error, environment: &ProcessEnvironment) -> ExitStatus {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return write_stdout(&text);
    }
    write_escaped_stderr(environment, &text);
    ExitStatus::Invalid
}

/// Wrong inputs of the action: annotated where the workflow stands, with outputs and summary as ever.
fn refuse_inputs(told: &str, environment: &ProcessEnvironment) -> ExitStatus {
    write_escaped_stderr(environment, &format!("{told}\n"));
    let first: Vec<&str> = told.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let first = first.join(" ").trim_start_matches("error: ").to_owned();
    let mut complaint = policy_file::file_diagnostic(&workflow_file(environment), first);
    complaint.help = Some("correct the inputs of this step".to_owned());
    let report = Report::without_account(
        "",
        invalid_policy::findings_from_diagnostics(&[complaint]),
        Vec::new(),
        clock::system_time(),
    );
    output::write_workflow_files(environment, &report, &[]);
    write_stdout(&report.render(ReportFormat::Github, false)).max(ExitStatus::Invalid)
}

/// The file of the workflow that runs: `OWNER/NAME/.github/workflows/x.yml@refs/...`.
fn workflow_file(environment: &ProcessEnvironment) -> String {
    let running = environment.get("GITHUB_WORKFLOW_REF").unwrap_or_default();
    let file = running.splitn(3, '/').nth(2).and_then(|rest| rest.split('@').next());
    file.unwrap_or(".github/workflows").to_owned()
}

/// The report of a command that ended early. What is wrong with the command line, the environment or the policy file as a
/// whole is a finding: at the policy file, and before there is one at the workflow, or where the file would be.
fn report_from_error(context: &Context<'_>, file: &str, operation: &str, error: &CommandError) -> Report {
    if error.exit != ExitStatus::Invalid {
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let message = format!("{}{help}", error.message);
        let fault = ReadFault { user: None, operation: operation.to_owned(), message };
        return Report::without_account(file, Vec::new(), vec![fault], context.now);
    }
    let file = match (file, context.environment.get("GITHUB_WORKFLOW_REF")) {
        ("", Some(_)) => workflow_file(context.environment),
        ("", None) => policy_file::DEFAULT_PATHS[0].to_owned(),
        (file, _) => file.to_owned(),
    };
    let mut complaint = policy_file::file_diagnostic(&file, error.message.clone());
    complaint.help = Some(error.help.clone().unwrap_or_else(|| "see `keytide --help`".to_owned()));
    Report::without_account(
        &file,
        invalid_policy::findings_from_diagnostics(&[complaint]),
        Vec::new(),
        context.now,
    )
}

/// A command whose result is a text.
fn print_text(context: &Context<'_>, text: Result<String, CommandError>) -> ExitStatus {
    match text {
        Ok(text) => write_stdout(&text),
        Err(error) => {
            context.print_error(&error);
            error.exit
        }
    }
}

/// Standard output. A reader that has seen enough (`| head`) is no failure.
fn write_stdout(text: &str) -> ExitStatus {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            write_stderr(&format!("error: standard output: {error}\n"));
            ExitStatus::Incomplete
        }
        _ => ExitStatus::Done,
    }
}

/// Standard error; in a workflow's log no line of it can be taken for a command.
fn write_escaped_stderr(environment: &ProcessEnvironment, text: &str) {
    write_stderr(&if environment.in_github_actions() {
        sanitize::escape_workflow_log(text)
    } else {
        text.to_owned()
    });
}

/// Standard error; what cannot be told there cannot be told anywhere.
fn write_stderr(text: &str) {
    let _ = std::io::stderr().write_all(sanitize::escape_lines(text).as_bytes());
}

fn pretty_json(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

impl Context<'_> {
    fn output_format(&self) -> ReportFormat {
        let usual =
            if self.environment.in_github_actions() { ReportFormat::Github } else { ReportFormat::Text };
        self.common.format.unwrap_or(usual)
    }

    fn key_ids(&self) -> KeyIds {
        let usual = if self.environment.in_github_actions() { KeyIds::Masked } else { KeyIds::Full };
        self.common.key_ids.unwrap_or(usual)
    }

    fn use_colour(&self) -> bool {
        match self.common.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                self.environment.stdout_is_terminal && self.environment.get("NO_COLOR").is_none()
            }
        }
    }

    /// `OWNER/NAME` as a flag, the workflow or the remote `origin` names it.
    fn repository_name(&self) -> Option<String> {
        let told = self.common.repository.as_deref().or(self.environment.get("GITHUB_REPOSITORY"));
        told.map(str::to_owned).or_else(|| {
            let config = files::read_bounded(Path::new(".git/config"), MAX_GIT_CONFIG_BYTES).ok()?;
            repository::origin_repository(&String::from_utf8_lossy(&config))
        })
    }

    /// An error on standard error, for a person.
    fn print_error(&self, error: &CommandError) {
        let help = error.help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
        self.eprint(&format!("error: {}\n{help}", error.message));
    }

    /// What is worth knowing and no error; `--quiet` silences it.
    #[cfg(feature = "online")]
    fn warn(&self, text: &str) {
        if !self.common.quiet {
            self.eprint(&format!("warning: {text}\n"));
        }
    }

    /// What only `--verbose` tells.
    #[cfg(feature = "online")]
    fn print_verbose(&self, text: &str) {
        if self.common.verbose {
            self.eprint(&format!("{text}\n"));
        }
    }

    fn eprint(&self, text: &str) {
        write_escaped_stderr(self.environment, text);
    }
}
