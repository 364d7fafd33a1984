//! The JSON format, for programs: version 1. Later versions add fields; they rename and remove none.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::fleet::merge::FleetReport;
use crate::fleet::result::{SCHEMA_VERSION, Tool};
use crate::report::ReportOutcome;
use crate::sanitize::escape_json;

/// The value of `kind`.
const REPORT_KIND: &str = "fleet-report";

pub fn render_json(report: &FleetReport) -> String {
    let left_out: BTreeMap<String, &Vec<String>> =
        report.left_out.iter().map(|(state, names)| (state_name(state), names)).collect();
    render_document(&json!({
        "schema_version": SCHEMA_VERSION,
        "kind": REPORT_KIND,
        "tool": Tool::this(),
        "generated_at": report.generated_at.to_string(),
        "complete": report.outcome != ReportOutcome::Incomplete,
        "result": report.outcome.name(),
        "summary": report.summary,
        "accounts": report.accounts,
        "repositories": report.repositories,
        "left_out": left_out,
        "findings": report.findings,
        "faults": report.faults,
        "remarks": report.remarks,
    }))
}

/// A document of the fleet as a text, with harmful characters escaped.
pub fn render_document(document: &impl Serialize) -> String {
    escape_json(&serde_json::to_string_pretty(document).unwrap_or_default())
}

fn state_name(state: &impl Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
