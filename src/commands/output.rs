//! Takes a report to where it was asked for: standard output, files, and what a GitHub workflow reads.

use std::path::Path;

use super::{Context, write_stderr, write_stdout};
use crate::error::ExitStatus;
use crate::report::{KeyIds, Report, ReportFormat, ReportOutcome, github};
use crate::sanitize;
use crate::system::environment::ProcessEnvironment;
use crate::system::files;

/// Writes the report everywhere; the exit code tells what it came to. One that cannot be written is incomplete.
pub fn deliver_report(context: &Context<'_>, report: Report) -> ExitStatus {
    let mut report = if context.key_ids() == KeyIds::Masked { report.mask_key_ids() } else { report };
    let mut written = Vec::new();
    for file in &context.common.reports {
        match files::replace_file(&file.path, &report.render(file.format, false)) {
            Ok(()) => written
                .extend(action_output_name(file.format).map(|name| (name, file.path.display().to_string()))),
            Err(why) => {
                context.eprint(&format!("error: {} cannot be written: {why}\n", file.path.display()));
                report.add_fault(format!("writing {}", file.path.display()), why.to_string());
            }
        }
    }
    let exit = match report.outcome {
        ReportOutcome::Pass => ExitStatus::Done,
        ReportOutcome::Breach => ExitStatus::Findings,
        ReportOutcome::Invalid => ExitStatus::Invalid,
        ReportOutcome::Incomplete => ExitStatus::Incomplete,
    };
    let exit = exit.max(write_workflow_files(context.environment, &report, &written));
    exit.max(write_stdout(&stdout_text(context, &report)))
}

/// What goes to standard output; in a workflow's log no line of a text can be taken for a command.
fn stdout_text(context: &Context<'_>, report: &Report) -> String {
    if context.environment.in_github_actions() && context.output_format() == ReportFormat::Text {
        return sanitize::escape_workflow_log(&report.render(ReportFormat::Text, false));
    }
    report.render(context.output_format(), context.use_colour())
}

/// The output of the action that names a report's file.
fn action_output_name(format: ReportFormat) -> Option<&'static str> {
    match format {
        ReportFormat::Sarif => Some("sarif-file"),
        ReportFormat::Json => Some("json-file"),
        _ => None,
    }
}

/// The step's summary and outputs, where a workflow gave files for them.
pub fn write_workflow_files(
    environment: &ProcessEnvironment,
    report: &Report,
    written: &[(&str, String)],
) -> ExitStatus {
    let mut exit = ExitStatus::Done;
    let mut put = |variable: &str, text: String| {
        let Some(path) = environment.get(variable) else { return };
        if let Err(why) = files::append_to_file(Path::new(path), &text) {
            write_stderr(&format!("error: {variable} cannot be written: {why}\n"));
            exit = ExitStatus::Incomplete;
        }
    };
    put("GITHUB_STEP_SUMMARY", github::render_summary(report));
    put("GITHUB_OUTPUT", github::render_outputs(report, written));
    exit
}
