//! The outputs for a GitHub workflow: annotations in the log, the step summary, the step's outputs.
//!
//! GitHub's runner (`ExecutionContext.cs`, `CreateStepSummaryCommand`) takes ten annotations of a type in a step, 4,096
//! characters in each, and a summary of 1 MiB. It drops more than that, so it is cut here.

use std::fmt::Write;

use super::markdown::render_markdown;
use super::model::Report;
use super::text::render_text;
use super::verdict::fault_sentence;
use crate::iam::ReadFault;
use crate::rules::{Finding, Severity, rank_urgency};
use crate::sanitize::{escape_lines, escape_workflow_data, escape_workflow_log, escape_workflow_property};
use crate::text_style::TextStyle;

const ANNOTATIONS: usize = 10;
const MESSAGE_CHARS: usize = 4_000;
const SUMMARY_BYTES: usize = 1_000_000;

/// The text report, unable to start a command, and after it the annotations.
pub fn render_log(report: &Report) -> String {
    format!(
        "{}\n{}",
        escape_workflow_log(render_text(report, TextStyle::default()).trim_end()),
        render_annotations(report)
    )
}

/// One annotation a finding, at most ten of a type; the last then says how many there are more.
pub fn render_annotations(report: &Report) -> String {
    let commands = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "notice")];
    let mut out = String::new();
    for (severity, command) in commands {
        let mut findings: Vec<&Finding> =
            report.counted_findings().filter(|finding| finding.severity == severity).collect();
        findings.sort_by_key(|finding| rank_urgency(finding.rule));
        let mut items: Vec<String> =
            findings.into_iter().map(|finding| render_annotation(command, finding)).collect();
        if severity == Severity::Error {
            items.splice(0..0, report.faults.iter().map(render_fault));
        }
        if items.len() > ANNOTATIONS {
            let more = items.len() - (ANNOTATIONS - 1);
            items.truncate(ANNOTATIONS - 1);
            items.push(format!("::{command} title=keytide::and {more} more: see the step summary\n"));
        }
        out.push_str(&items.concat());
    }
    out
}

fn render_fault(fault: &ReadFault) -> String {
    format!("::error title=keytide could not finish::{}\n", escape_message(&fault_sentence(fault)))
}

fn render_annotation(command: &str, finding: &Finding) -> String {
    let about = finding.user.as_deref().map(|user| format!("{user}: ")).unwrap_or_default();
    let message = format!("{about}{}. {}", finding.message, finding.help);
    let at = &finding.location;
    let (file, line, column) = (escape_workflow_property(&at.file), at.at.line, at.at.column);
    format!(
        "::{command} file={file},line={line},col={column},title=keytide {}::{}\n",
        finding.rule,
        escape_message(&message)
    )
}

/// A message, cut before it is escaped so that no escape is cut in two.
fn escape_message(message: &str) -> String {
    let message = escape_lines(message);
    if message.chars().count() <= MESSAGE_CHARS {
        return escape_workflow_data(&message);
    }
    escape_workflow_data(&message.chars().take(MESSAGE_CHARS - 1).chain(['…']).collect::<String>())
}

/// The step summary. GitHub refuses one that is too large, so it ends at the last row that fits.
pub fn render_summary(report: &Report) -> String {
    let summary = render_markdown(report);
    if summary.len() <= SUMMARY_BYTES {
        return summary;
    }
    let fits = (0..=SUMMARY_BYTES).rev().find(|&end| summary.is_char_boundary(end)).unwrap_or(0);
    let end = summary[..fits].rfind('\n').map_or(fits, |end| end + 1);
    format!("{}\nThe summary is longer than GitHub shows; the JSON report has everything.\n", &summary[..end])
}

/// Lines for `GITHUB_OUTPUT`. `files` are the reports that were written, by the names of their outputs.
pub fn render_outputs(report: &Report, files: &[(&str, String)]) -> String {
    let summary = report.summarize();
    let open = report.rotations.iter().flatten().filter_map(|line| line.pull_request);
    let open: Vec<String> = open.map(|number| number.to_string()).collect();
    let mut outputs = vec![
        ("result", report.outcome.name().to_owned()),
        ("errors", summary.errors.to_string()),
        ("warnings", summary.warnings.to_string()),
        ("pull-requests", format!("[{}]", open.join(","))),
        ("next-due", report.next_due().map(|due| due.to_string()).unwrap_or_default()),
    ];
    outputs.extend(files.iter().map(|(name, path)| (*name, path.clone())));
    let mut out = String::new();
    for (name, value) in outputs {
        // A line feed in a value would begin another output.
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(out, "{name}={value}");
    }
    out
}
