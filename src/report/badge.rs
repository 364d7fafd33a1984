//! Renders the result as the JSON of an endpoint badge (shields.io, "Endpoint Badge"), for a README. It names no user, no key
//! and no account, because a badge is public.

use serde::Serialize;

use super::model::Report;
use super::outcome::ReportOutcome;
use crate::sentences::count_noun;

/// The fields of the schema, version 1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointBadge {
    schema_version: u8,
    label: &'static str,
    message: String,
    color: &'static str,
    /// The badge is about a run that knows no result.
    is_error: bool,
}

/// Returns the JSON, on one line.
pub fn render_badge(report: &Report) -> String {
    let label = if report.scanned.is_some() { "keytide check" } else { "access keys" };
    let (message, color) = describe_outcome(report);
    let is_error = matches!(report.outcome, ReportOutcome::Invalid | ReportOutcome::Incomplete);
    let badge = EndpointBadge { schema_version: 1, label, message, color, is_error };
    let json = serde_json::to_string(&badge).unwrap_or_default();
    format!("{json}\n")
}

fn describe_outcome(report: &Report) -> (String, &'static str) {
    let summary = report.summarize();
    match report.outcome {
        ReportOutcome::Invalid => ("invalid policy".to_owned(), "red"),
        ReportOutcome::Incomplete => ("incomplete".to_owned(), "lightgrey"),
        // Also where `--fail-on` lets the run pass.
        _ if summary.errors > 0 => (count(summary.errors, "error"), "red"),
        _ if summary.warnings > 0 => (count(summary.warnings, "warning"), "yellow"),
        ReportOutcome::Breach => ("failing".to_owned(), "red"),
        ReportOutcome::Pass => ("passing".to_owned(), "brightgreen"),
    }
}

fn count(number: usize, noun: &str) -> String {
    count_noun(number as i64, noun)
}
