//! The Markdown format, for the summary of a step. GitHub takes 1 MiB of it, so that the lists are cut and say so.

use std::cmp::Reverse;
use std::fmt::Write;

use super::words;
use crate::dates::format_moment;
use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::FleetReport;
use crate::report::ReportOutcome;
use crate::rules::rank_urgency;
use crate::sanitize::{escape_markdown as clean, escape_markdown_keeping_code as clean_text};

/// How many lines a table has at most.
const MAX_LINES: usize = 200;
/// How many findings of one repository are shown.
const SHOWN_FINDINGS: usize = 5;
/// How many findings are shown at most, all repositories together.
const MAX_FINDINGS: usize = 500;

pub fn render_markdown(report: &FleetReport) -> String {
    let mut out = format!(
        "## keytide fleet · {}\n\n{} ({})\n\n",
        clean_text(&words::verdict(report)),
        clean(&words::scope(report)),
        format_moment(report.generated_at)
    );
    out.push_str(&render_faults(report));
    out.push_str(&render_repositories(report));
    out.push_str(&render_accounts(report));
    out.push_str(&render_findings(report));
    let mut remarks: Vec<String> = report.remarks.iter().cloned().collect();
    let left_out = words::left_out(report);
    if !left_out.is_empty() {
        remarks.push(format!("repositories left out: {left_out}"));
    }
    for remark in remarks {
        let _ = writeln!(out, "- {}", clean_text(&remark));
    }
    out
}

fn render_faults(report: &FleetReport) -> String {
    let lines = words::unread(report);
    if lines.is_empty() {
        return String::new();
    }
    let mut out = "### Could not be read\n\n".to_owned();
    for line in lines.iter().take(MAX_LINES) {
        let _ = writeln!(out, "- {}", clean_text(line));
    }
    out + &more(lines.len(), MAX_LINES) + "\n"
}

fn render_accounts(report: &FleetReport) -> String {
    let mut out = format!(
        "### Accounts\n\n{}\n\n| account | own result | own errors | own warnings | users | keys | repositories |\n\
         |---|---|---|---|---|---|---|\n",
        words::OF_ACCOUNTS
    );
    for account in report.accounts.iter().take(MAX_LINES) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            clean(&account.id),
            account.details.outcome.word(),
            words::figures(&account.details).join(" | "),
            account.repositories.len()
        );
    }
    out + &more(report.accounts.len(), MAX_LINES) + "\n"
}

fn render_repositories(report: &FleetReport) -> String {
    let mut out =
        "### Repositories\n\n| repository | result | errors | warnings | users | keys |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for repository in report.repositories.iter().take(MAX_LINES) {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            clean(&repository.name),
            repository.details.outcome.word(),
            words::figures(&repository.details).join(" | ")
        );
    }
    out + &more(report.repositories.len(), MAX_LINES) + "\n"
}

fn render_findings(report: &FleetReport) -> String {
    let mut rows = String::new();
    let mut shown = 0;
    let of_fleet = report.findings.iter().map(|finding| ("", finding));
    let of_accounts = report.accounts.iter().flat_map(|line| {
        words::worst_first(&line.details.findings).into_iter().map(|finding| (line.id.as_str(), finding))
    });
    let of_repositories =
        report.repositories.iter().filter(|line| line.details.outcome != ReportOutcome::Pass).flat_map(
            |line| {
                let findings = words::worst_first(&line.details.findings).into_iter().take(SHOWN_FINDINGS);
                findings.map(|finding| (line.name.as_str(), finding))
            },
        );
    let all = of_fleet.chain(of_accounts).chain(of_repositories);
    let mut counted: Vec<(&str, &FleetFinding)> = all.filter(|(_, finding)| !finding.exempted).collect();
    counted.sort_by_key(|(_, finding)| (Reverse(finding.severity), rank_urgency(&finding.rule)));
    for (subject, finding) in counted.into_iter().take(MAX_FINDINGS) {
        rows.push_str(&render_row(subject, finding));
        shown += 1;
    }
    if rows.is_empty() {
        return rows;
    }
    let total = report.summary.errors + report.summary.warnings + report.summary.notes;
    format!(
        "### Findings\n\n| where | severity | rule | user | what |\n|---|---|---|---|---|\n{rows}{}\n",
        more(total, shown)
    )
}

fn render_row(subject: &str, finding: &FleetFinding) -> String {
    format!(
        "| {} | {} | {} | {} | {} |\n",
        clean(subject),
        finding.severity.as_str(),
        clean(&finding.rule),
        clean(finding.user.as_deref().unwrap_or_default()),
        clean_text(&finding.message)
    )
}

fn more(total: usize, shown: usize) -> String {
    match total.saturating_sub(shown) {
        0 => String::new(),
        1 => "\n1 more is in the other formats.\n".to_owned(),
        rest => format!("\n{rest} more are in the other formats.\n"),
    }
}
