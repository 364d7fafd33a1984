//! Writes the reports of `keytide fleet`: standard output, the files of `--report`, and the summary of a step.

use std::borrow::Cow;
use std::path::Path;

use crate::commands::cli::FleetOutputArgs;
use crate::commands::cli::values::{FileFormat, FleetFormat};
use crate::commands::context::{Context, write_stdout};
#[cfg(feature = "online")]
use crate::commands::failure::CommandFailure;
use crate::commands::standard_output::print_escaped;
use crate::error::{CommandError, ExitStatus};
use crate::fleet::merge::FleetReport;
use crate::fleet::render::{csv, html, json, markdown, text};
use crate::report::{KeyIds, ReportOutcome};
use crate::sanitize;
use crate::system::files;
use crate::system::worktree::WorkTree;
use crate::text_style::TextStyle;

/// Writes a report everywhere, and returns the exit code.
pub fn deliver_report(
    context: &Context<'_>,
    arguments: &FleetOutputArgs,
    report: &FleetReport,
) -> ExitStatus {
    let mut exit = exit_status(report.outcome);
    for file in &arguments.reports {
        let FileFormat::Fleet(format) = file.format else { continue };
        exit =
            exit.max(write_file(context, &file.path, &render(context, report, format, TextStyle::default())));
    }
    if let Some(path) = context.environment.get("GITHUB_STEP_SUMMARY") {
        let summary = render(context, report, FleetFormat::Markdown, TextStyle::default());
        if let Err(reason) = files::append_to_file(Path::new(path), &summary) {
            context.print_error(&CommandError::incomplete(format!(
                "GITHUB_STEP_SUMMARY cannot be written: {reason}"
            )));
            exit = exit.max(ExitStatus::Incomplete);
        }
    }
    exit = exit.max(write_outputs(context, report));
    context.progress.end();
    let format = arguments.output_format();
    // Anyone can choose the names that a report quotes. The other formats escape them themselves.
    if matches!(format, FleetFormat::Text | FleetFormat::Csv) {
        return exit.max(print_escaped(context, |style| render(context, report, format, style)));
    }
    exit.max(write_stdout(&render(context, report, format, TextStyle::default())))
}

/// Writes the outputs of a step, if a workflow runs this. They have the names that an audit's have.
fn write_outputs(context: &Context<'_>, report: &FleetReport) -> ExitStatus {
    let Some(path) = context.environment.get("GITHUB_OUTPUT") else { return ExitStatus::Done };
    let text = format!(
        "result={}\nerrors={}\nwarnings={}\n",
        report.outcome.name(),
        report.summary.errors,
        report.summary.warnings
    );
    let Err(reason) = files::append_to_file(Path::new(path), &text) else { return ExitStatus::Done };
    context.print_error(&CommandError::incomplete(format!("GITHUB_OUTPUT cannot be written: {reason}")));
    ExitStatus::Incomplete
}

/// `style` is for text only.
fn render(context: &Context<'_>, report: &FleetReport, format: FleetFormat, style: TextStyle) -> String {
    let report = match (context.key_ids(), format) {
        (KeyIds::Full, _) => Cow::Borrowed(report),
        (KeyIds::Masked, FleetFormat::Json) => Cow::Owned(report.clone().mask_key_ids()),
        (KeyIds::Masked, _) => Cow::Owned(report.clone().mask_for_people()),
    };
    let text = match format {
        FleetFormat::Text => return text::render_text(&report, style),
        FleetFormat::Json => json::render_json(&report),
        FleetFormat::Markdown => markdown::render_markdown(&report),
        FleetFormat::Html => html::render_html(&report),
        FleetFormat::Csv => csv::render_csv(&report),
    };
    match context.key_ids() {
        // Names as well
        KeyIds::Masked => sanitize::mask_key_ids(&text),
        KeyIds::Full => text,
    }
}

/// Writes a file, and says so if that fails.
pub fn write_file(context: &Context<'_>, path: &Path, text: &str) -> ExitStatus {
    let tree = WorkTree::find_repository(context.environment);
    let written = tree
        .ensure_writable(path)
        .map_err(|reason| reason.to_string())
        .and_then(|()| files::create_folder_of(path).map_err(|reason| reason.to_string()))
        .and_then(|()| files::replace_file(path, text).map_err(|reason| reason.to_string()));
    let Err(reason) = written else { return ExitStatus::Done };
    let message = format!("{} cannot be written: {reason}", path.display());
    context.print_error(&CommandError::incomplete(message));
    ExitStatus::Incomplete
}

/// The exit code of a result. A wrong policy file is a finding of its repository, and not a wrong call of this command.
fn exit_status(outcome: ReportOutcome) -> ExitStatus {
    match outcome {
        ReportOutcome::Pass => ExitStatus::Done,
        ReportOutcome::Breach | ReportOutcome::Invalid => ExitStatus::Findings,
        ReportOutcome::Incomplete => ExitStatus::Incomplete,
    }
}

/// Prints why a subcommand could not begin.
#[cfg(feature = "online")]
pub fn print_failure(context: &Context<'_>, failure: &CommandFailure) -> ExitStatus {
    crate::commands::output::print_failure(context, failure);
    match failure {
        CommandFailure::InvalidPolicy(_) => ExitStatus::Invalid,
        CommandFailure::Failed { error, .. } => error.exit,
    }
}

/// Refuses what needs the network, in a keytide that was built without it.
#[cfg(not(feature = "online"))]
pub fn refuse_offline(context: &Context<'_>) -> ExitStatus {
    let error = CommandError::incomplete("this keytide was built without network support");
    context.print_error(&error);
    error.exit
}
