//! The Markdown format: tables for a comment or a step summary, with a Mermaid timeline of the keys.

use std::fmt::Write;

use super::keys::{age_days, format_minute, key_name, last_used, oldest_active_days};
use super::model::Report;
use super::timeline::{BarState, KeyBar, UserStanding, key_bars, users_worst_first};
use super::{rotations, verdict};
use crate::rules::Finding;
use crate::sanitize::{
    escape_markdown as clean, escape_markdown_keeping_code as clean_text, escape_mermaid_label,
};

/// How many bars the timeline shows at once; the others are folded.
const SHOWN_BARS: usize = 40;
/// How many bars a folded picture has at most: Mermaid refuses a text of more than 50,000 characters.
const BARS_OF_A_PICTURE: usize = 200;
/// How many bars there are at most, for 300 users with two keys each: GitHub takes a summary of 1 MiB.
const MAX_BARS: usize = 600;
/// How many ticks the axis of a timeline has at most.
const MAX_TICKS: i64 = 12;

pub fn render_markdown(report: &Report) -> String {
    let mut out = format!(
        "## keytide: {}\n\n{}",
        clean_text(&verdict::verdict(report)),
        clean(&verdict::headline(report))
    );
    if let Some(account) = &report.account {
        let _ = write!(
            out,
            " in account {} (source {}, {})",
            clean(&account.id),
            account.source,
            format_minute(report.generated_at)
        );
    }
    out.push_str("\n\n");
    out.push_str(&rotations::render_markdown(report));
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
        .map_or_else(|| clean_text(&finding.help), |reason| format!("exempted: {}", clean_text(reason)));
    let user = finding.user.as_deref().map(clean).unwrap_or_default();
    format!(
        "| {} | {} | {user} | {} | {}:{} | {advice} |\n",
        finding.severity.as_str(),
        finding.rule,
        clean_text(&finding.message),
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
        let _ = writeln!(out, "| {user} | {} | {} |", clean(&fault.operation), clean_text(&fault.message));
    }
    out + "\n"
}

fn render_users(report: &Report) -> String {
    if report.user_lines().next().is_none() {
        return String::new();
    }
    let has_phases = report.user_lines().any(|line| line.phase.is_some());
    let (head, rule) = if has_phases { (" rotation |", "---|") } else { ("", "") };
    let mut out = format!(
        "### Keys\n\n| user | oldest active key | access key | status | age | last used |{head} next due |\n\
         |---|---|---|---|---|---|{rule}---|\n"
    );
    for user in users_worst_first(report) {
        out.push_str(&user_rows(report, &user, has_phases));
    }
    out + "\n"
}

fn user_rows(report: &Report, user: &UserStanding<'_>, has_phases: bool) -> String {
    let UserStanding { line, due, .. } = user;
    let name = clean(&line.user.name);
    let oldest = oldest_active_days(report, &line.user).map_or("none".to_owned(), |days| format!("{days} d"));
    let phase = line.phase.map(|phase| phase.name()).unwrap_or_default();
    let phase = if has_phases { format!(" {phase} |") } else { String::new() };
    if line.user.keys.is_empty() {
        return format!("| {name} | {oldest} | none | | | |{phase} |\n");
    }
    let mut rows = String::new();
    for (_, key) in line.user.keys_by_age() {
        let (id, status) = (clean(&key_name(key)), clean(&key.status.to_string()));
        let (days, used) = (age_days(report, key), clean(&last_used(report, key)));
        let _ = writeln!(rows, "| {name} | {oldest} | {id} | {status} | {days} d | {used} |{phase} {due} |");
    }
    rows
}

fn render_timeline(report: &Report) -> String {
    let all = key_bars(report);
    if all.is_empty() {
        return String::new();
    }
    let (shown, more) = all.split_at(all.len().min(SHOWN_BARS));
    let more = more.get(..MAX_BARS - SHOWN_BARS).unwrap_or(more);
    let mut out = format!("### Timeline\n\n{}", render_picture(shown));
    for bars in more.chunks(BARS_OF_A_PICTURE) {
        let picture = render_picture(bars);
        let _ =
            write!(out, "<details><summary>{} more keys</summary>\n\n{picture}</details>\n\n", bars.len());
    }
    out.push_str(
        "Each bar is an active key since its creation. Red: an error; grey: no finding, or exempt; other: a \
         warning, a note, or not fully read.\n\n",
    );
    if all.len() > MAX_BARS {
        let _ = writeln!(out, "The timeline shows the {MAX_BARS} worst of {} active keys.\n", all.len());
    }
    out
}

fn render_picture(bars: &[KeyBar]) -> String {
    let longest = bars.iter().map(|bar| bar.days).max().unwrap_or(0);
    // Mermaid draws every tick, so an old key would cover the axis with labels.
    let months = (longest / 30 / MAX_TICKS + 1).max(1);
    // No `section` for each user. Mermaid draws a section's label once, so the labels would shift against the bars
    // below a user whose two bars are not neighbours
    let mut out = format!(
        "```mermaid\n---\nconfig:\n  gantt:\n    leftPadding: 20\n---\ngantt\n    dateFormat YYYY-MM-DD\n    \
         axisFormat %Y-%m\n    tickInterval {months}month\n"
    );
    bars.iter().for_each(|bar| out.push_str(&render_bar(bar)));
    out + "```\n\n"
}

fn render_bar(bar: &KeyBar) -> String {
    let tag = match bar.state {
        BarState::Fine | BarState::NotAudited | BarState::Exempted => "done, ",
        BarState::Warned | BarState::Unknown => "active, ",
        BarState::Failed => "crit, ",
    };
    let (user, key) = (escape_mermaid_label(&bar.user), escape_mermaid_label(&bar.key));
    let note = match (bar.state, bar.rule) {
        (BarState::Exempted, _) => " exempt".to_owned(),
        (BarState::Unknown, _) => " not fully read".to_owned(),
        (_, Some(rule)) => format!(" {rule}"),
        (_, None) => String::new(),
    };
    // The age comes first, since a line that begins with a user's name such as `title` would be a command of Mermaid
    format!("    {} d {user} {key}{note} :{tag}{}, {}d\n", bar.days, bar.from, bar.days.max(1))
}

fn render_remarks(report: &Report) -> String {
    let skipped = report.skipped.iter().map(|s| format!("{} was not fully checked: {}", s.rule, s.reason));
    let lines: String = skipped
        .chain(report.remarks.iter().cloned())
        .map(|text| format!("- {}\n", clean_text(&text)))
        .collect();
    if lines.is_empty() { lines } else { format!("### What was not checked\n\n{lines}") }
}
