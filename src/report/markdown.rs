//! Tables for a comment or a step summary, with a Mermaid timeline of the keys.

use std::fmt::Write;

use super::timeline::{BarState, key_bars};
use super::{Report, age_days, oldest_active_days, report_headline, text, verdict_line};
use crate::rules::Finding;
use crate::sanitize::{escape_markdown as clean, escape_mermaid_label};

/// How many bars a timeline shows: a larger one cannot be read, and Mermaid refuses it in the end.
const MAX_BARS: usize = 40;

pub fn render_markdown(report: &Report) -> String {
    let mut out =
        format!("## keytide: {}\n\n{}", clean(verdict_line(report)), clean(&report_headline(report)));
    if let Some(account) = &report.account {
        let _ = write!(
            out,
            " in account {} (source {}, {})",
            clean(&account.id),
            account.source,
            clean(&report.generated_at.to_string())
        );
    }
    out.push_str("\n\n");
    out.push_str(&super::rotations::render_table(report));
    out.push_str(&render_findings("Findings", report.counted_findings()));
    out.push_str(&render_faults(report));
    out.push_str(&render_users(report));
    out.push_str(&render_timeline(report));
    out.push_str(&render_findings(
        "Exempted",
        report.findings.iter().filter(|finding| finding.exempted.is_some()),
    ));
    out.push_str(&render_remarks(report));
    out
}

fn render_findings<'a>(title: &str, findings: impl Iterator<Item = &'a Finding>) -> String {
    let rows: String = findings.map(finding_row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "### {title}\n\n| severity | rule | user | what | where | what to do |\n|---|---|---|---|---|---|\n{rows}\n"
    )
}

fn finding_row(finding: &Finding) -> String {
    let at = &finding.location;
    let advice = finding
        .exempted
        .as_ref()
        .map_or(clean(&finding.help), |reason| format!("exempted: {}", clean(reason)));
    let user = finding.user.as_deref().map(clean).unwrap_or_default();
    format!(
        "| {} | {} | {user} | {} | {}:{} | {advice} |\n",
        finding.severity.as_str(),
        finding.rule,
        clean(&finding.message),
        clean(&at.file),
        at.at.line
    )
}

fn render_faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut out = "### Could not be read\n\n| user | call | what happened |\n|---|---|---|\n".to_owned();
    for fault in &report.faults {
        let user = fault.user.as_deref().map(clean).unwrap_or_default();
        let _ = writeln!(out, "| {user} | {} | {} |", clean(&fault.operation), clean(&fault.message));
    }
    out + "\n"
}

fn render_users(report: &Report) -> String {
    if report.user_lines().next().is_none() {
        return String::new();
    }
    let mut out = "### Keys\n\n| user | oldest active key | access key | status | age | last used | next due |\n|---|---|---|---|---|---|---|\n".to_owned();
    for line in report.user_lines() {
        let name = clean(&line.user.name);
        let oldest =
            oldest_active_days(report, &line.user).map_or("none".to_owned(), |days| format!("{days} d"));
        let due = line
            .next_due
            .map(|due| due.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
            .unwrap_or_default();
        if line.user.keys.is_empty() {
            let _ = writeln!(out, "| {name} | {oldest} | none | | | | |");
        }
        for (_, key) in line.user.keys_by_age() {
            let (id, status) = (clean(&text::key_name(key)), clean(&key.status.to_string()));
            let (days, used) = (age_days(report, key), clean(&text::last_used(report, key)));
            let _ = writeln!(out, "| {name} | {oldest} | {id} | {status} | {days} d | {used} | {due} |");
        }
    }
    out + "\n"
}

fn render_timeline(report: &Report) -> String {
    let all = key_bars(report);
    if all.is_empty() {
        return String::new();
    }
    let mut out =
        "### Timeline\n\n```mermaid\ngantt\n    dateFormat YYYY-MM-DD\n    axisFormat %Y-%m\n".to_owned();
    for bar in all.iter().take(MAX_BARS) {
        let tag = match bar.state {
            BarState::Young => "done, ",
            BarState::Warned => "active, ",
            BarState::Over => "crit, ",
        };
        let (user, key) = (escape_mermaid_label(&bar.user), escape_mermaid_label(&bar.key));
        let _ = writeln!(
            out,
            "    section {user}\n    {key} {} d :{tag}{}, {}d",
            bar.days,
            bar.from,
            bar.days.max(1)
        );
    }
    out.push_str("```\n\n");
    if all.len() > MAX_BARS {
        let _ = writeln!(out, "The timeline shows the {MAX_BARS} oldest of {} active keys.\n", all.len());
    }
    out
}

fn render_remarks(report: &Report) -> String {
    let skipped = report.skipped.iter().map(|s| format!("{} was not fully checked: {}", s.rule, s.reason));
    let lines: String =
        skipped.chain(report.remarks.iter().cloned()).map(|text| format!("- {}\n", clean(&text))).collect();
    if lines.is_empty() { lines } else { format!("### Notes\n\n{lines}") }
}
