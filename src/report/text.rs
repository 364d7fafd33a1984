//! The table a person wants, and below it what is wrong.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::{Report, ReportOutcome, UserLine, age_days, oldest_active_days, report_headline, verdict_line};
use crate::iam::AccessKey;
use crate::rules::{Finding, Severity};
use crate::sanitize::escape_line as clean;

pub fn render_text(report: &Report, colour: bool) -> String {
    let paint = TextStyle(colour);
    let mut out = String::new();
    if let Some(account) = &report.account {
        let at = report.generated_at;
        let (id, policy) = (clean(&account.id), clean(&report.policy));
        let _ = writeln!(out, "account {id}, source {}, {at}, {policy}\n", account.source);
        out.push_str(&render_users(report, paint));
        out.push('\n');
    }
    out.push_str(&super::rotations::render_text(report));
    report.findings.iter().for_each(|finding| out.push_str(&render_finding(report, finding, paint)));
    for fault in &report.faults {
        let what = paint.with_colour(AnsiColor::Red, "fault");
        let _ = writeln!(out, "{what}    {}", clean(&super::fault_sentence(fault)));
    }
    for skipped in &report.skipped {
        let _ = writeln!(out, "note     {} was not fully checked: {}", skipped.rule, clean(&skipped.reason));
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "note     {}", clean(remark));
    }
    let colour = if report.outcome == ReportOutcome::Pass { AnsiColor::Green } else { AnsiColor::Red };
    let blank = if out.ends_with("\n\n") || out.is_empty() { "" } else { "\n" };
    let _ = writeln!(
        out,
        "{blank}{}\n{}",
        report_headline(report),
        paint.with_colour(colour, verdict_line(report))
    );
    out
}

fn render_finding(report: &Report, finding: &Finding, paint: TextStyle) -> String {
    let colour = match finding.severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Cyan,
    };
    let severity = if finding.exempted.is_some() { "exempt" } else { finding.severity.as_str() };
    let at = finding.location.at;
    let file = Some(finding.location.file.as_str())
        .filter(|file| *file != report.policy && report.scanned.is_some());
    let mut out = format!(
        "{}{}{}: {} [{}]\n",
        paint.with_colour(colour, severity),
        " ".repeat(9 - severity.len()),
        clean(finding.user.as_deref().or(file).unwrap_or("policy")),
        clean(&finding.message),
        finding.rule
    );
    let _ = writeln!(out, "         at {}:{}:{}", clean(&finding.location.file), at.line, at.column);
    if let Some(excerpt) = &finding.excerpt {
        let _ = writeln!(out, "         | {}", clean(excerpt));
    }
    match &finding.exempted {
        Some(reason) => drop(writeln!(out, "         exempted: {}", clean(reason))),
        None => drop(writeln!(out, "         help: {}", clean(&finding.help))),
    }
    out
}

fn render_users(report: &Report, paint: TextStyle) -> String {
    let mut rows =
        vec![["USER", "OLDEST ACTIVE KEY", "ACCESS KEY", "STATUS", "AGE", "LAST USED"].map(str::to_owned)];
    report.user_lines().for_each(|line| rows.extend(user_rows(report, line)));
    let widths: Vec<usize> =
        (0..6).map(|i| rows.iter().map(|row| row[i].width()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        let text = cells.join("  ").trim_end().to_owned();
        let _ = writeln!(out, "{}", if index == 0 { paint.bold(&text) } else { text });
    }
    out
}

/// One row a key; the user's name and its oldest key stand in the first.
fn user_rows(report: &Report, line: &UserLine) -> Vec<[String; 6]> {
    let name = clean(&line.user.name);
    let oldest = oldest_active_days(report, &line.user).map_or("none".to_owned(), format_days);
    let keys = line.user.keys_by_age();
    if keys.is_empty() {
        return vec![[name, oldest, "none".into(), String::new(), String::new(), String::new()]];
    }
    let row = |(index, (_, key)): (usize, (usize, &AccessKey))| {
        let (name, oldest) = if index == 0 { (name.clone(), oldest.clone()) } else { Default::default() };
        let least = if key.may_be_older { "at least " } else { "" };
        let age = format!("{least}{}", format_days(age_days(report, key)));
        [name, oldest, key_name(key), clean(&key.status.to_string()), age, last_used(report, key)]
    };
    keys.into_iter().enumerate().map(row).collect()
}

fn format_days(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

pub(super) fn key_name(key: &AccessKey) -> String {
    match (&key.id, key.slot) {
        (Some(id), _) => clean(id),
        (None, Some(slot)) => format!("key {slot}"),
        (None, None) => "?".to_owned(),
    }
}

/// The last use of a key in a few words.
pub(super) fn last_used(report: &Report, key: &AccessKey) -> String {
    let Some(used) = key.last_used.known_value() else { return "unknown".to_owned() };
    let Some(used) = used else { return "never".to_owned() };
    let ago = report.generated_at.duration_since(used.at).as_hours().max(0) / 24;
    let at = if ago == 0 { "today".to_owned() } else { format!("{} ago", format_days(ago)) };
    let place: Vec<String> =
        [&used.service, &used.region].into_iter().flatten().map(|text| clean(text)).collect();
    if place.is_empty() { at } else { format!("{at} ({})", place.join(", ")) }
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct TextStyle(bool);

impl TextStyle {
    fn with_colour(self, colour: AnsiColor, text: &str) -> String {
        self.style(Style::new().fg_color(Some(colour.into())), text)
    }

    fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
