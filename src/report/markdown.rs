//! The Markdown format: tables for a comment or a step summary, with a Mermaid timeline of the keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::advice::{common_advice, shown_advice, shown_page, subject};
use super::keys::{KeyAges, age_days, key_name, last_used, oldest_active_days};
use super::model::Report;
use super::timeline::{BarState, KeyBar, UserStanding, key_bars, users_worst_first};
use super::{rotations, verdict};
use crate::dates::format_moment;
use crate::rules::{Finding, Severity, rank_urgency};
use crate::sanitize::{
    escape_markdown as clean, escape_markdown_keeping_code as clean_text, escape_mermaid_label,
};
use crate::sentences::{count_noun, join_steps};

/// More findings than these are grouped by rule, each rule with its first ones and the others folded.
const MAX_PLAIN_FINDINGS: usize = 20;
const SHOWN_FINDINGS: usize = 10;
/// A table of more users than these is folded but for the first ones.
const MAX_PLAIN_USERS: usize = 50;
const SHOWN_USERS: usize = 20;
/// How many bars the timeline shows at once; the others are folded.
const SHOWN_BARS: usize = 40;
/// How many bars a folded picture has at most: Mermaid refuses a text of more than 50,000 characters.
const BARS_OF_A_PICTURE: usize = 200;
/// How many bars there are at most, for 300 users with two keys each: GitHub takes a summary of 1 MiB.
const MAX_BARS: usize = 600;
/// How many ticks the axis of a timeline has at most.
const MAX_TICKS: i64 = 12;

pub fn render_markdown(report: &Report) -> String {
    // The result has a colon of its own
    let mut out = format!(
        "## {} · {}\n\n{}",
        clean(report.origin.repository.as_deref().unwrap_or("keytide")),
        clean_text(&verdict::verdict(report)),
        clean(&verdict::headline(report))
    );
    if let Some(account) = &report.account {
        let _ = write!(
            out,
            " in account {} (source {}, {})",
            clean(&account.shown_id),
            account.source,
            format_moment(report.generated_at)
        );
    }
    out.push_str("\n\n");
    out.push_str(&rotations::render_markdown(report));
    out.push_str(&render_findings(report, "Findings", report.counted_findings()));
    out.push_str(&render_faults(report));
    out.push_str(&render_users(report));
    out.push_str(&render_timeline(report));
    out.push_str(&render_findings(
        report,
        "Exempted",
        report.findings.iter().filter(|finding| finding.exempted.is_some()),
    ));
    out.push_str(&render_remarks(report));
    out
}

fn render_findings<'a>(report: &Report, title: &str, findings: impl Iterator<Item = &'a Finding>) -> String {
    let findings: Vec<&Finding> = findings.collect();
    if findings.is_empty() {
        return String::new();
    }
    if findings.len() > MAX_PLAIN_FINDINGS {
        return format!("### {title}\n\n{}", render_by_rule(report, &findings));
    }
    let has_users = has_users(&findings);
    let rows: String = findings.into_iter().map(|finding| finding_row(finding, has_users)).collect();
    let (head, rule) = if has_users { (" user |", "---|") } else { ("", "") };
    format!(
        "### {title}\n\n| severity | rule |{head} what | where | what to do |\n|---|---|{rule}---|---|---|\n{rows}\n"
    )
}

/// Many findings: by rule, the worst first, with the advice once where it is the same for all.
fn render_by_rule(report: &Report, findings: &[&Finding]) -> String {
    let mut rules: BTreeMap<(Reverse<Severity>, usize, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let urgency = rank_urgency(finding.rule);
        rules.entry((Reverse(finding.severity), urgency, finding.rule)).or_default().push(finding);
    }
    let ages = KeyAges::of_report(report);
    let mut out = String::new();
    for ((severity, _, rule), mut findings) in rules {
        ages.sort_oldest_first(&mut findings);
        let counted = count_noun(findings.len() as i64, severity.0.as_str());
        let _ = write!(out, "**{counted}** `{rule}`");
        let common = common_advice(&findings);
        let steps =
            common.filter(|advice| !advice.is_empty()).map(|advice| join_steps(advice, clean_text, "<br>"));
        let _ = write!(out, "{}\n\n", steps.map(|steps| format!(": {steps}")).unwrap_or_default());
        let (shown, folded) = findings.split_at(findings.len().min(SHOWN_FINDINGS));
        out.push_str(&render_rule_table(shown, common));
        if !folded.is_empty() {
            let table = render_rule_table(folded, common);
            let _ = write!(out, "<details><summary>{} more</summary>\n\n{table}</details>\n\n", folded.len());
        }
    }
    out
}

/// A table of findings of one rule. Its columns are those that are not empty: `common` is said above it.
fn render_rule_table(findings: &[&Finding], common: Option<&str>) -> String {
    let has_users = has_users(findings);
    let has_advice = findings.iter().any(|finding| !advice_cell(finding, common).is_empty());
    let (user, user_rule) = if has_users { (" user |", "---|") } else { ("", "") };
    let (advice, advice_rule) = if has_advice { (" what to do |", "---|") } else { ("", "") };
    let mut out = format!("|{user} what | where |{advice}\n|{user_rule}---|---|{advice_rule}\n");
    for finding in findings {
        let advice = if has_advice { format!(" {} |", advice_cell(finding, common)) } else { String::new() };
        let user = user_cell(finding, has_users);
        let _ = writeln!(out, "|{user} {} | {} |{advice}", clean_text(&finding.message), place_cell(finding));
    }
    out + "\n"
}

fn has_users(findings: &[&Finding]) -> bool {
    findings.iter().any(|finding| !subject(finding).is_empty())
}

/// The cell of the column of users, if there is one.
fn user_cell(finding: &Finding, has_users: bool) -> String {
    if has_users { format!(" {} |", clean(subject(finding))) } else { String::new() }
}

fn finding_row(finding: &Finding, has_users: bool) -> String {
    let user = user_cell(finding, has_users);
    format!(
        "| {} | {} |{user} {} | {} | {} |\n",
        finding.severity.as_str(),
        finding.rule,
        clean_text(&finding.message),
        place_cell(finding),
        advice_cell(finding, None)
    )
}

fn place_cell(finding: &Finding) -> String {
    format!("{}:{}", clean(&finding.location.file), finding.location.at.line)
}

/// What a finding adds to the advice that is common to all: its own, step by step, and the page as a link.
fn advice_cell(finding: &Finding, common: Option<&str>) -> String {
    let advice = Some(shown_advice(finding)).filter(|advice| !advice.is_empty() && Some(*advice) != common);
    let word = if finding.exempted.is_some() { "exempted: " } else { "" };
    let mut parts: Vec<String> = advice
        .map(|advice| format!("{word}{}", join_steps(advice, clean_text, "<br>")))
        .into_iter()
        .collect();
    parts.extend(shown_page(finding).map(|page| format!("pull request: {}", rotations::markdown_link(page))));
    parts.join("<br>")
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
    let table = format!(
        "| user | oldest active key | access key | status | age | last used |{head} next due |\n\
         |---|---|---|---|---|---|{rule}---|\n"
    );
    let users = users_worst_first(report);
    let (shown, folded) =
        users.split_at(if users.len() > MAX_PLAIN_USERS { SHOWN_USERS } else { users.len() });
    let mut out = format!("### Keys\n\n{table}{}\n", all_rows(report, shown, has_phases));
    if !folded.is_empty() {
        let _ = write!(
            out,
            "<details><summary>{} more users</summary>\n\n{table}{}\n</details>\n\n",
            folded.len(),
            all_rows(report, folded, has_phases)
        );
    }
    out
}

fn all_rows(report: &Report, users: &[UserStanding<'_>], has_phases: bool) -> String {
    users.iter().map(|user| user_rows(report, user, has_phases)).collect()
}

fn user_rows(report: &Report, user: &UserStanding<'_>, has_phases: bool) -> String {
    let UserStanding { line, due, .. } = user;
    let name = clean(&line.user.name);
    let oldest = oldest_active_days(report, &line.user).map_or("none".to_owned(), |days| format!("{days} d"));
    let phase = line.phase.map(|phase| phase.name()).unwrap_or_default();
    let phase = if has_phases { format!(" {phase} |") } else { String::new() };
    if line.user.keys.is_empty() {
        return format!("| {name} | {oldest} | none | | | |{phase} {due} |\n");
    }
    let mut rows = String::new();
    for (index, (_, key)) in line.user.keys_by_age().into_iter().enumerate() {
        let (id, status) = (clean(&key_name(key)), clean(&key.status.to_string()));
        let (days, used) = (age_days(report, key.created_at), clean(&last_used(report, key)));
        // What is about the user is in the row of the first key
        let row = match index {
            0 => format!("| {name} | {oldest} | {id} | {status} | {days} d | {used} |{phase} {due} |"),
            _ => {
                format!("| | | {id} | {status} | {days} d | {used} |{} |", if has_phases { " |" } else { "" })
            }
        };
        let _ = writeln!(rows, "{row}");
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
    if !more.is_empty() {
        let pictures: String = more.chunks(BARS_OF_A_PICTURE).map(render_picture).collect();
        let _ =
            write!(out, "<details><summary>{} more keys</summary>\n\n{pictures}</details>\n\n", more.len());
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
