//! Delivers the result of a command: standard output, `--report` files, and the files of a GitHub workflow.

use std::path::Path;

use super::cli::values::FileFormat;
use super::context::{Context, write_stderr, write_stdout};
use super::failure::CommandFailure;
use super::standard_output::print_escaped;
use crate::error::{CommandError, ExitStatus};
use crate::report::{KeyIds, Report, ReportFormat, ReportOrigin, ReportOutcome, github};
use crate::system::environment::ProcessEnvironment;
use crate::system::files;
use crate::system::worktree::WorkTree;
use crate::text_style::TextStyle;

/// Delivers the report of a command, or of its failure. `command` is the command's name.
pub fn deliver_result(
    context: &Context<'_>,
    command: &str,
    result: Result<Report, CommandFailure>,
) -> ExitStatus {
    match result {
        Ok(mut report) => {
            report.origin = report_origin(context);
            deliver_report(context, report)
        }
        Err(failure) => deliver_failure(context, command, &failure, true),
    }
}

/// Creates the folders of the `--report` files, before the command does anything. Returns the exit code if a report
/// could not be written: to notice that after keys were changed would be too late.
pub fn prepare_report_files(context: &Context<'_>, command: &str) -> Result<(), ExitStatus> {
    if context.common.reports.is_empty() {
        return Ok(());
    }
    let tree = WorkTree::find_repository(context.environment);
    for (index, file) in context.common.reports.iter().enumerate() {
        let prepared = tree.ensure_writable(&file.path).and_then(|()| files::prepare_replacement(&file.path));
        let path = std::path::absolute(&file.path).ok();
        let mut others = context.common.reports[..index].iter();
        let is_taken = others.any(|other| std::path::absolute(&other.path).ok() == path);
        let refused = prepared.err().map(|reason| reason.to_string());
        if let Some(reason) = refused.or(is_taken.then(|| "another report has this file".to_owned())) {
            let message = format!("the report {} cannot be written: {reason}", file.path.display());
            let error = CommandError::invalid(message).with_help("name another file");
            return Err(deliver_failure(context, command, &error.into(), false));
        }
    }
    Ok(())
}

/// Writes the report everywhere. A report that cannot be written makes the run incomplete.
pub fn deliver_report(context: &Context<'_>, report: Report) -> ExitStatus {
    let mut report = mask_if_needed(context, report);
    let format = context.output_format();
    let written =
        write_report_files(context, &mut report, matches!(format, ReportFormat::Text | ReportFormat::Github));
    let exit = exit_status(&report).max(write_workflow_files(context.environment, &report, &written));
    if format == ReportFormat::Text {
        // Anyone can choose the names that a report quotes
        return exit.max(print_escaped(context, |style| report.render(format, style)));
    }
    exit.max(write_stdout(&report.render(format, TextStyle::default())))
}

/// Prints why a command failed, once: on standard error, or as annotations in a workflow. Formats for programs, and the
/// files of `--report` unless `writes_files` is false, hold the same as a report.
fn deliver_failure(
    context: &Context<'_>,
    command: &str,
    failure: &CommandFailure,
    writes_files: bool,
) -> ExitStatus {
    let format = context.output_format();
    if format != ReportFormat::Github {
        print_failure(context, failure);
    }
    let report = match failure {
        CommandFailure::InvalidPolicy(diagnostics) => Report::from_invalid_policy(diagnostics, context.now),
        CommandFailure::Failed { policy_file, error } => {
            Report::from_error(policy_file, command, error, context.now)
        }
    };
    let mut report = mask_if_needed(context, report);
    report.origin = report_origin(context);
    let written = if writes_files {
        write_report_files(context, &mut report, format == ReportFormat::Github)
    } else {
        Vec::new()
    };
    let exit = exit_status(&report).max(write_workflow_files(context.environment, &report, &written));
    let text = match format {
        ReportFormat::Text => String::new(),
        ReportFormat::Github => github::render_annotations(&report),
        _ => report.render(format, TextStyle::default()),
    };
    exit.max(write_stdout(&text))
}

/// Prints a failure on standard error.
pub fn print_failure(context: &Context<'_>, failure: &CommandFailure) {
    match failure {
        CommandFailure::InvalidPolicy(diagnostics) => {
            context.print_diagnostics(diagnostics);
        }
        CommandFailure::Failed { error, .. } => context.print_error(error),
    }
}

/// Delivers the failure of the action's inputs, before there is a command line.
pub fn deliver_input_error(
    environment: &ProcessEnvironment,
    error: &CommandError,
    now: jiff::Timestamp,
) -> ExitStatus {
    let report = Report::from_error("", "keytide", error, now);
    let exit = exit_status(&report).max(write_workflow_files(environment, &report, &[]));
    exit.max(write_stdout(&github::render_annotations(&report)))
}

fn mask_if_needed(context: &Context<'_>, report: Report) -> Report {
    if context.key_ids() == KeyIds::Masked { report.mask_key_ids() } else { report }
}

/// The repository and, in a workflow that runs in it, the commit: its files may differ from any commit elsewhere.
fn report_origin(context: &Context<'_>) -> ReportOrigin {
    let environment = context.environment;
    let repository = context.repository_name();
    // With `--repository` the files may be of another repository than the commit of the workflow
    let is_here = repository.is_some() && repository.as_deref() == environment.get("GITHUB_REPOSITORY");
    let commit = if is_here { environment.get("GITHUB_SHA") } else { None };
    ReportOrigin::new(repository.as_deref(), commit, environment.github_server_url())
}

fn exit_status(report: &Report) -> ExitStatus {
    match report.outcome {
        ReportOutcome::Pass => ExitStatus::Done,
        ReportOutcome::Breach => ExitStatus::Findings,
        ReportOutcome::Invalid => ExitStatus::Invalid,
        ReportOutcome::Incomplete => ExitStatus::Incomplete,
    }
}

/// A report that was written to a file, by the name of its output of the action.
type WrittenReport = (&'static str, String);

/// Writes the files of `--report`. `shows_faults`: standard output will show the faults of the report.
fn write_report_files(context: &Context<'_>, report: &mut Report, shows_faults: bool) -> Vec<WrittenReport> {
    let mut written = Vec::new();
    let tree = WorkTree::find_repository(context.environment);
    for file in &context.common.reports {
        // The formats of a fleet's report are written by `commands::fleet`.
        let FileFormat::Report(format) = file.format else { continue };
        if let Err(reason) = tree.ensure_writable(&file.path) {
            let shown = file.path.display();
            if !shows_faults {
                context
                    .print_error(&CommandError::incomplete(format!("{shown} cannot be written: {reason}")));
            }
            report.add_fault(format!("writing {shown}"), reason.to_string());
            continue;
        }
        let path = file.path.display().to_string();
        match files::replace_file(&file.path, &report.render(format, TextStyle::default())) {
            Ok(()) => written.extend(action_output_name(format).map(|name| (name, path))),
            Err(reason) => {
                if !shows_faults {
                    context.print_error(&CommandError::incomplete(format!(
                        "{path} cannot be written: {reason}"
                    )));
                }
                report.add_fault(format!("writing {path}"), reason.to_string());
            }
        }
    }
    written
}

/// The output of the action that names the file of a report.
fn action_output_name(format: ReportFormat) -> Option<&'static str> {
    match format {
        ReportFormat::Sarif => Some("sarif-file"),
        ReportFormat::Json => Some("json-file"),
        _ => None,
    }
}

/// Writes the step's summary and outputs, if a workflow runs this.
fn write_workflow_files(
    environment: &ProcessEnvironment,
    report: &Report,
    written: &[WrittenReport],
) -> ExitStatus {
    let texts = [
        ("GITHUB_STEP_SUMMARY", github::render_summary(report)),
        ("GITHUB_OUTPUT", github::render_outputs(report, written)),
    ];
    let mut exit = ExitStatus::Done;
    for (variable, text) in texts {
        let Some(path) = environment.get(variable) else { continue };
        if let Err(reason) = files::append_to_file(Path::new(path), &text) {
            write_stderr(&format!("error: {variable} cannot be written: {reason}\n"));
            exit = ExitStatus::Incomplete;
        }
    }
    exit
}
