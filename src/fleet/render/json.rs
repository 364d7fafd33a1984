//! The JSON format, for programs: version 1. Later versions add fields; they rename and remove none.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::fleet::merge::{AccountLine, FleetReport, RepositoryLine};
use crate::fleet::result::{SCHEMA_VERSION, Tool};
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
        "complete": report.outcome != crate::fleet::result::Outcome::Incomplete,
        "result": report.outcome.name(),
        "summary": report.counts,
        "accounts": report.accounts.iter().map(account_value).collect::<Vec<_>>(),
        "repositories": report.repositories.iter().map(repository_value).collect::<Vec<_>>(),
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

fn account_value(line: &AccountLine) -> Value {
    json!({
        "account": line.id,
        "result": line.outcome.name(),
        "summary": line.counts,
        "repositories": line.repositories,
        "findings": line.findings,
        "faults": line.faults,
        "not_checked": line.not_checked,
        "remarks": line.remarks,
    })
}

fn repository_value(line: &RepositoryLine) -> Value {
    json!({
        "repository": line.name,
        "policy": line.policy,
        "accounts": line.accounts,
        "result": line.outcome.name(),
        "summary": line.counts,
        "findings": line.findings,
        "faults": line.faults,
        "not_checked": line.not_checked,
        "remarks": line.remarks,
    })
}
