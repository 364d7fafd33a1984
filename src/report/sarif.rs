//! The SARIF 2.1.0 format, for GitHub's code scanning. Every result has a location: GitHub refuses a file with one that
//! has none.
//!
//! A fingerprint is made from what a finding is about, never from an age or a line, so an alert stays the same while the
//! key grows older (OASIS SARIF 2.1.0, section 3.27.17; GitHub reads `primaryLocationLineHash` only).

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::fingerprint::finding_fingerprint;
use super::model::Report;
use super::outcome::ReportOutcome;
use crate::iam::ReadFault;
use crate::rules::{self, Finding, Rule, Severity};
use crate::sanitize::{escape_markdown, escape_sarif as clean};
use crate::sentences::begin_sentence;
use crate::url_encoding::encode_path;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The most results that GitHub takes of one run.
const MAX_RESULTS: usize = 25_000;

/// The file. Its fields are in the order of the alphabet, as those of every other object in it.
#[derive(Serialize)]
struct SarifFile<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [SarifRun<'a>; 1],
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifRun<'a> {
    automation_details: Value,
    column_kind: &'static str,
    invocations: Value,
    #[serde(serialize_with = "serialize_results")]
    results: &'a [Finding],
    tool: Value,
}

pub fn render_sarif(report: &Report) -> String {
    let rules: Vec<Value> = rules::ALL_RULES.iter().map(|rule| rule_descriptor(*rule)).collect();
    let notifications: Vec<Value> = report
        .faults
        .iter()
        .map(fault_notification)
        .chain(note_omitted_results(report.findings.len()))
        .collect();
    let run = SarifRun {
        automation_details: json!({ "id": "keytide/" }),
        column_kind: "unicodeCodePoints",
        invocations: json!([{
            "executionSuccessful": !matches!(report.outcome, ReportOutcome::Invalid | ReportOutcome::Incomplete),
            "endTimeUtc": report.generated_at.to_string(),
            "toolExecutionNotifications": notifications,
        }]),
        results: &report.findings,
        tool: json!({ "driver": { "name": "keytide", "version": env!("CARGO_PKG_VERSION"), "rules": rules } }),
    };
    let file = SarifFile { schema: SCHEMA, runs: [run], version: "2.1.0" };
    crate::sanitize::escape_json(&serde_json::to_string_pretty(&file).unwrap_or_default())
}

/// Says how many results GitHub would not take, and are left out.
fn note_omitted_results(count: usize) -> Option<Value> {
    let omitted = count.checked_sub(MAX_RESULTS).filter(|omitted| *omitted > 0)?;
    let text = format!("{omitted} more results are left out: GitHub takes {MAX_RESULTS}");
    Some(json!({ "level": "warning", "message": { "text": text } }))
}

/// Writes result after result: all of them as values take fifteen times the memory of their text.
fn serialize_results<S: Serializer>(findings: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().take(MAX_RESULTS).map(sarif_result))
}

fn rule_descriptor(rule: &dyn Rule) -> Value {
    let text = rule.rule_meta();
    json!({
        "id": text.name,
        "name": text.name,
        "shortDescription": { "text": format!("{}.", begin_sentence(text.summary)) },
        "fullDescription": { "text": format!("{}. {}", begin_sentence(text.summary), text.rationale) },
        "help": {
            "text": format!("{} {}", text.rationale, text.remediation),
            "markdown": format!("{}\n\n**Fix:** {}", escape_markdown(text.rationale), escape_markdown(text.remediation)),
        },
        "defaultConfiguration": { "level": text.severity.as_str() },
        "properties": { "tags": ["security", "aws", "iam"], "security-severity": severity_score(text.severity) },
    })
}

/// GitHub's scale: above 7.0 is high, 4.0 to 6.9 medium, below low.
fn severity_score(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "7.5",
        Severity::Warning => "5.0",
        Severity::Note => "2.0",
    }
}

fn sarif_result(finding: &Finding) -> Value {
    let index = rules::ALL_RULES.iter().position(|rule| rule.rule_meta().name == finding.rule);
    let about = finding.user.as_deref().map(|user| format!("{}: ", clean(user))).unwrap_or_default();
    let mut value = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.as_str(),
        "message": { "text": format!("{about}{}. {}", clean(&finding.message), clean(&finding.help)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": encode_uri(&finding.location.file), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": finding.location.at.line, "startColumn": finding.location.at.column },
        }}],
        "partialFingerprints": { "primaryLocationLineHash": format!("{}:1", finding_fingerprint(finding)) },
        "properties": { "controls": finding.controls },
    });
    if let Some(excerpt) = &finding.excerpt {
        value["properties"]["excerpt"] = clean(&excerpt.text).into();
    }
    if let Some(accepted) = &finding.exempted {
        // Exempted results stay in the file: without them, code scanning would call the alerts fixed.
        value["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": clean(&accepted.reason) }]);
    }
    value
}

fn fault_notification(fault: &ReadFault) -> Value {
    let about = fault.user.as_deref().map(|user| format!("{}: ", clean(user))).unwrap_or_default();
    json!({
        "level": "error",
        "message": { "text": format!("{about}{}: {}", clean(&fault.operation), clean(&fault.message)) },
    })
}

/// A path as a relative URI reference.
fn encode_uri(path: &str) -> String {
    encode_path(path.trim_start_matches("./"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_left_out_are_counted() {
        assert_eq!(note_omitted_results(MAX_RESULTS), None);
        let note = note_omitted_results(MAX_RESULTS + 3).unwrap_or_default();
        assert_eq!(note["message"]["text"], "3 more results are left out: GitHub takes 25000");
    }
}
