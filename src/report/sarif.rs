//! SARIF 2.1.0 for GitHub's code scanning: every result has a place, or the whole upload would be refused.
//!
//! Fingerprints name what a finding is about, never its age or its line, so that an alert stays the same alert
//! while the key grows older (OASIS SARIF 2.1.0, section 3.27.17; GitHub reads `primaryLocationLineHash` only).

use serde_json::{Value, json};

use super::{Report, ReportOutcome};
use crate::iam::ReadFault;
use crate::rules::{self, Finding, Rule, Severity};
use crate::sanitize::{escape_markdown, escape_sarif as clean};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The most results that GitHub takes of one run.
const MAX_RESULTS: usize = 25_000;

pub fn render_sarif(report: &Report) -> String {
    let rules: Vec<Value> = rules::ALL_RULES.iter().map(|rule| rule_descriptor(*rule)).collect();
    let results: Vec<Value> = report.findings.iter().take(MAX_RESULTS).map(sarif_result).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "keytide",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": { "id": "keytide/" },
            "invocations": [{
                "executionSuccessful": !matches!(report.outcome, ReportOutcome::Invalid | ReportOutcome::Incomplete),
                "endTimeUtc": report.generated_at.to_string(),
                "toolExecutionNotifications": report.faults.iter().map(fault_notification).collect::<Vec<_>>(),
            }],
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    });
    crate::sanitize::escape_json(&serde_json::to_string_pretty(&document).unwrap_or_default())
}

fn rule_descriptor(rule: &dyn Rule) -> Value {
    let text = rule.rule_meta();
    json!({
        "id": text.name,
        "name": text.name,
        "shortDescription": { "text": format!("{}.", capitalize(text.summary)) },
        "fullDescription": { "text": format!("{}. {}", capitalize(text.summary), text.rationale) },
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
        "partialFingerprints": { "primaryLocationLineHash": result_fingerprint(finding) },
        "properties": { "controls": finding.controls },
    });
    if let Some(excerpt) = &finding.excerpt {
        value["properties"]["excerpt"] = clean(excerpt).into();
    }
    if let Some(reason) = &finding.exempted {
        value["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": clean(reason) }]);
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

/// For a finding in a file: rule, file and the redacted match. Else rule, user and the key's place among its user's
/// keys; for a complaint about the policy file its message.
fn result_fingerprint(finding: &Finding) -> String {
    if let Some(identity) = &finding.identity {
        return format!("{:016x}:1", fnv1a(identity));
    }
    let about = finding.user.clone().unwrap_or_else(|| finding.message.clone());
    let key = finding.key_ordinal.map(|ordinal| ordinal.to_string()).unwrap_or_default();
    format!("{:016x}:1", fnv1a(&[finding.rule, &about, &key].join("\u{1f}")))
}

/// FNV-1a, 64 bits: short and the same for ever, which is all a fingerprint needs.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A path as a relative URI reference (RFC 3986): what is not unreserved is escaped, byte by byte.
fn encode_uri(path: &str) -> String {
    let path = path.trim_start_matches("./");
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
