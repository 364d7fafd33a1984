//! The JSON format, for programs: version 1. Later versions add fields; they rename and remove none.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::keys::age_days;
use super::model::{Report, ScanSummary, UserLine};
use super::outcome::ReportOutcome;
use super::rotation_line::{HistoryLine, RotationLine};
use crate::iam::{AccessKey, IamUser, ReadFault, ServiceCredential};
use crate::rules::{FileLocation, Finding, SkippedRule};

/// The top of the document; the order of the fields is the order in which they are written.
#[derive(Serialize)]
struct JsonReport<'a> {
    schema_version: u8,
    tool: Value,
    policy: Option<&'a str>,
    account: Option<&'a str>,
    generated_at: String,
    source: Option<&'static str>,
    complete: bool,
    result: &'static str,
    summary: Value,
    scanned: Option<ScanSummary>,
    users: Users<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotations: Option<Vec<Value>>,
    findings: Vec<FindingLine<'a>>,
    faults: &'a [ReadFault],
    not_checked: &'a [SkippedRule],
    remarks: &'a [String],
}

#[derive(Serialize)]
struct FindingLine<'a> {
    rule: &'static str,
    severity: &'static str,
    user: Option<&'a str>,
    access_key_id: Option<&'a str>,
    excerpt: Option<&'a str>,
    message: &'a str,
    help: &'a str,
    location: &'a FileLocation,
    controls: &'a [String],
    exempted: bool,
    exemption_reason: Option<&'a str>,
}

pub fn render_json(report: &Report) -> String {
    let summary = report.summarize();
    let document = JsonReport {
        schema_version: 1,
        tool: json!({"name": "keytide", "version": env!("CARGO_PKG_VERSION")}),
        policy: Some(report.policy.as_str()).filter(|policy| !policy.is_empty()),
        account: report.account.as_ref().map(|account| account.id.as_str()),
        generated_at: report.generated_at.to_string(),
        source: report.account.as_ref().map(|account| account.source),
        complete: !matches!(report.outcome, ReportOutcome::Incomplete | ReportOutcome::Invalid),
        result: report.outcome.name(),
        summary: json!({
            "users": summary.users, "keys": summary.keys, "errors": summary.errors,
            "warnings": summary.warnings, "notes": summary.notes, "exempted": summary.exempted,
        }),
        scanned: report.scanned,
        users: Users(report),
        rotations: report.rotations.as_ref().map(|lines| lines.iter().map(rotation_value).collect()),
        findings: report.findings.iter().map(finding_line).collect(),
        faults: &report.faults,
        not_checked: &report.skipped,
        remarks: &report.remarks,
    };
    crate::sanitize::escape_json(&serde_json::to_string_pretty(&document).unwrap_or_default())
}

/// The users, each made when it is written: an account has thousands.
struct Users<'a>(&'a Report);

impl Serialize for Users<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.user_lines().map(|line| user_value(self.0, line)))
    }
}

fn user_value(report: &Report, line: &UserLine) -> Value {
    let user = &line.user;
    json!({
        "name": user.name,
        "arn": user.arn,
        "keys": user.keys_by_age().into_iter().map(|(_, known)| key_value(report, known, user.listed)).collect::<Vec<_>>(),
        "console_password": user.console_password.known_value(),
        "owner": user.owner.known_value(),
        "quarantined": user.quarantined.known_value(),
        "service_credentials": service_credentials(report, user),
        "sources": {
            "keys": user.listed,
            "console_password": user.console_password.provenance(),
            "owner": user.owner.provenance(),
            "quarantined": user.quarantined.provenance(),
            "service_credentials": user.service_credentials.provenance(),
        },
        "phase": line.phase.map(|phase| phase.name()),
        "next_due": line.next_due.map(|due| due.to_string()),
    })
}

/// The service-specific credentials; `null` if they were not looked at.
fn service_credentials(report: &Report, user: &IamUser) -> Option<Vec<Value>> {
    user.service_credentials.known_value()?;
    let credentials = user.service_credentials_by_age().into_iter();
    Some(credentials.map(|credential| service_credential_value(report, credential)).collect())
}

fn service_credential_value(report: &Report, credential: &ServiceCredential) -> Value {
    json!({
        "id": credential.id,
        "service": credential.service,
        "status": credential.status.to_string(),
        "created_at": credential.created_at.to_string(),
        "age_days": age_days(report, credential.created_at),
        "expires_at": credential.expires_at.map(|end| end.to_string()),
    })
}

fn rotation_value(line: &RotationLine) -> Value {
    let mut value = json!({
        "user": line.user,
        "phase": line.phase.name(),
        "done": line.done.iter().map(|step| &step.text).collect::<Vec<_>>(),
        "next": line.next,
        "why": line.why,
        "help": line.help,
        "not_before": line.not_before.map(|at| at.to_string()),
        "error_from": line.error_from.map(|at| at.to_string()),
        "pull_request": line.pull_request,
        "pull_request_url": line.pull_request_url,
        "keys": line.keys,
    });
    if let Some(history) = &line.history {
        value["history"] = history.iter().map(history_value).collect();
    }
    value
}

fn history_value(line: &HistoryLine) -> Value {
    json!({
        "at": line.at.to_string(),
        "commit": line.commit,
        "event": line.event,
        "reason": line.reason,
        "run": line.run,
    })
}

fn key_value(report: &Report, key: &AccessKey, listed: crate::iam::Provenance) -> Value {
    let used = key.last_used.known_value().and_then(Option::as_ref);
    let mut value = json!({
        "id": key.id,
        "status": key.status.to_string(),
        "created_at": key.created_at.to_string(),
        "age_days": age_days(report, key.created_at),
        "last_used_at": used.map(|used| used.at.to_string()),
        "last_used_region": used.and_then(|used| used.region.as_deref()),
        "last_used_service": used.and_then(|used| used.service.as_deref()),
        "last_used_known": key.last_used.known_value().is_some(),
        "may_be_older": key.may_be_older,
        "sources": { "key": listed, "last_used": key.last_used.provenance() },
    });
    // A key of the credential report has no ID; the slot distinguishes the two keys of a user.
    if let (None, Some(slot)) = (&key.id, key.slot) {
        value["slot"] = slot.into();
    }
    value
}

fn finding_line(finding: &Finding) -> FindingLine<'_> {
    FindingLine {
        rule: finding.rule,
        severity: finding.severity.as_str(),
        user: finding.user.as_deref(),
        access_key_id: finding.access_key_id.as_deref(),
        excerpt: finding.excerpt.as_ref().map(|excerpt| excerpt.text.as_str()),
        message: &finding.message,
        help: &finding.help,
        location: &finding.location,
        controls: &finding.controls,
        exempted: finding.exempted.is_some(),
        exemption_reason: finding.exempted.as_ref().map(|accepted| &*accepted.reason),
    }
}
