//! The text format: what is not good, by account and repository, the worst first.

use std::fmt::Write;

use super::words;
use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::{FleetReport, LineDetails};
use crate::report::ReportOutcome;
use crate::sanitize::escape_line as clean;

/// How many findings and faults of a line are shown; the other formats have all.
const SHOWN: usize = 10;

pub fn render_text(report: &FleetReport) -> String {
    let mut out = String::new();
    for fault in &report.faults {
        let _ = writeln!(out, "not read  {}", clean(&words::fault(fault)));
    }
    for finding in words::worst_first(&report.findings) {
        out.push_str(&render_finding("", finding));
    }
    for account in &report.accounts {
        let title = format!("account {}", account.id);
        out.push_str(&render_section(&title, &account.details, &render_notes(&account.details)));
    }
    // Without its notes: the same reasons for every repository would hide the findings.
    for repository in &report.repositories {
        out.push_str(&render_section(&repository.name, &repository.details, ""));
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "note: {}", clean(remark));
    }
    let left_out = words::left_out(report);
    if !left_out.is_empty() {
        let _ = writeln!(out, "left out: {left_out}");
    }
    let found = words::problems(&report.summary);
    let _ = writeln!(out, "{found}; {}\n{}", words::scope(report), words::verdict(report));
    out
}

fn render_section(title: &str, details: &LineDetails, notes: &str) -> String {
    let is_quiet = details.findings.is_empty() && details.faults.is_empty() && notes.is_empty();
    if is_quiet && details.outcome == ReportOutcome::Pass {
        return String::new();
    }
    let mut out = format!("{}: {}\n", clean(title), details.outcome.name());
    for fault in details.faults.iter().take(SHOWN) {
        let _ = writeln!(out, "  not read  {}", clean(&words::fault(fault)));
    }
    let findings = words::worst_first(&details.findings);
    for finding in findings.iter().take(SHOWN) {
        out.push_str(&render_finding("  ", finding));
    }
    let more = details.faults.len().saturating_sub(SHOWN) + findings.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
    out + notes
}

fn render_notes(details: &LineDetails) -> String {
    let mut out = String::new();
    for skipped in &details.not_checked {
        let _ = writeln!(out, "  {} was not fully checked: {}", clean(&skipped.rule), clean(&skipped.reason));
    }
    for remark in &details.remarks {
        let _ = writeln!(out, "  note: {}", clean(remark));
    }
    out
}

fn render_finding(indent: &str, finding: &FleetFinding) -> String {
    let severity = if finding.exempted { "exempt" } else { finding.severity.as_str() };
    let text = words::finding(finding);
    // A user's finding is about AWS; the others are about a place in a file.
    let place = match &finding.user {
        Some(_) => String::new(),
        None => format!(
            " ({}:{}:{})",
            finding.location.file, finding.location.at.line, finding.location.at.column
        ),
    };
    format!("{indent}{severity:8}  {}  {}{}\n", clean(&finding.rule), clean(&text), clean(&place))
}
