//! The text format: what is not good, by account and repository, the worst first.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::words;
use crate::fleet::finding::{FleetFault, FleetFinding, NotChecked};
use crate::fleet::merge::FleetReport;
use crate::fleet::result::Outcome;
use crate::sanitize::escape_line as clean;

/// How many findings and faults of a line are shown; the other formats have all.
const SHOWN: usize = 10;

/// What one account or one repository has to say.
struct Section<'a> {
    title: String,
    outcome: Outcome,
    findings: &'a BTreeSet<FleetFinding>,
    faults: &'a BTreeSet<FleetFault>,
    not_checked: &'a BTreeSet<NotChecked>,
    remarks: &'a BTreeSet<String>,
}

pub fn render_text(report: &FleetReport) -> String {
    let mut out = String::new();
    for fault in &report.faults {
        let _ = writeln!(out, "not read  {}", clean(&words::fault(fault)));
    }
    for finding in words::worst_first(&report.findings) {
        out.push_str(&render_finding("", finding));
    }
    let none = BTreeSet::new();
    for account in &report.accounts {
        out.push_str(&render_section(&Section {
            title: format!("account {}", account.id),
            outcome: account.outcome,
            findings: &account.findings,
            faults: &account.faults,
            not_checked: &account.not_checked,
            remarks: &account.remarks,
        }));
    }
    for repository in &report.repositories {
        out.push_str(&render_section(&Section {
            title: repository.name.clone(),
            outcome: repository.outcome,
            findings: &repository.findings,
            faults: &repository.faults,
            // The same reasons for every repository would hide the findings.
            not_checked: &BTreeSet::new(),
            remarks: &none,
        }));
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "note: {}", clean(remark));
    }
    let left_out = words::left_out(report);
    if !left_out.is_empty() {
        let _ = writeln!(out, "left out: {left_out}");
    }
    let found = words::problems(&report.counts);
    let _ = writeln!(out, "{found}; {}\n{}", words::scope(report), words::verdict(report));
    out
}

fn render_section(section: &Section<'_>) -> String {
    let is_quiet = section.findings.is_empty()
        && section.faults.is_empty()
        && section.not_checked.is_empty()
        && section.remarks.is_empty();
    if is_quiet && section.outcome == Outcome::Pass {
        return String::new();
    }
    let mut out = format!("{}: {}\n", clean(&section.title), section.outcome.name());
    for fault in section.faults.iter().take(SHOWN) {
        let _ = writeln!(out, "  not read  {}", clean(&words::fault(fault)));
    }
    let findings = words::worst_first(section.findings);
    for finding in findings.iter().take(SHOWN) {
        out.push_str(&render_finding("  ", finding));
    }
    let more = section.faults.len().saturating_sub(SHOWN) + findings.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
    for skipped in section.not_checked {
        let _ = writeln!(out, "  {} was not fully checked: {}", clean(&skipped.rule), clean(&skipped.reason));
    }
    for remark in section.remarks {
        let _ = writeln!(out, "  note: {}", clean(remark));
    }
    out
}

fn render_finding(indent: &str, finding: &FleetFinding) -> String {
    let severity = if finding.exempted { "exempt" } else { finding.severity.name() };
    format!("{indent}{severity:8}  {}  {}\n", clean(&finding.rule), clean(&words::finding(finding)))
}
