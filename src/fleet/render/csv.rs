//! The CSV format, for spreadsheets: one line for each finding and each fault. No cell can start a formula.

use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::{FleetReport, LineDetails};
use crate::iam::ReadFault;
use crate::rules::FileLocation;
use crate::sanitize::escape_csv;

const HEADINGS: [&str; 13] = [
    "repository",
    "account",
    "severity",
    "rule",
    "user",
    "access_key_id",
    "message",
    "help",
    "file",
    "line",
    "column",
    "exempted",
    "exemption_reason",
];

/// Whom a line is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    repository: &'a str,
    account: &'a str,
}

pub fn render_csv(report: &FleetReport) -> String {
    let mut out = String::new();
    push_line(&mut out, &HEADINGS);
    let fleet = Subject { repository: "", account: "" };
    report.faults.iter().for_each(|fault| push_fault(&mut out, fleet, fault));
    report.findings.iter().for_each(|finding| push_finding(&mut out, fleet, finding));
    for line in &report.accounts {
        push_details(&mut out, Subject { repository: "", account: &line.id }, &line.details);
    }
    for line in &report.repositories {
        let accounts = line.accounts.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        push_details(&mut out, Subject { repository: &line.name, account: &accounts }, &line.details);
    }
    out
}

fn push_details(out: &mut String, subject: Subject<'_>, details: &LineDetails) {
    details.faults.iter().for_each(|fault| push_fault(out, subject, fault));
    details.findings.iter().for_each(|finding| push_finding(out, subject, finding));
}

fn push_finding(out: &mut String, subject: Subject<'_>, finding: &FleetFinding) {
    let FileLocation { file, at } = &finding.location;
    push_line(
        out,
        &[
            subject.repository,
            subject.account,
            finding.severity.as_str(),
            &finding.rule,
            finding.user.as_deref().unwrap_or_default(),
            finding.access_key_id.as_deref().unwrap_or_default(),
            &finding.message,
            &finding.help,
            file,
            &at.line.to_string(),
            &at.column.to_string(),
            if finding.exempted { "true" } else { "false" },
            finding.exemption_reason.as_deref().unwrap_or_default(),
        ],
    );
}

/// A fault has the severity `not read`, and its operation in the place of a rule.
fn push_fault(out: &mut String, subject: Subject<'_>, fault: &ReadFault) {
    let user = fault.user.as_deref().unwrap_or_default();
    let cells = [subject.repository, subject.account, "not read", &fault.operation, user, "", &fault.message];
    let mut line: Vec<&str> = cells.to_vec();
    line.resize(HEADINGS.len(), "");
    push_line(out, &line);
}

fn push_line(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| escape_csv(cell)).collect();
    out.push_str(&cells.join(","));
    // RFC 4180
    out.push_str("\r\n");
}
