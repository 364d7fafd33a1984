//! The text format: a table of the keys, the rotations, and the findings, for a terminal or a log.

use std::fmt::Write;

use anstyle::AnsiColor;
use unicode_width::UnicodeWidthStr;

use super::advice::{repeated_advice, shown_advice, shown_page};
use super::keys::{age_days, key_name, last_used, oldest_active_days};
use super::model::{Report, UserLine};
use super::outcome::ReportOutcome;
use super::{rotations, verdict};
use crate::dates::format_moment;
use crate::iam::AccessKey;
use crate::rules::Finding;
use crate::sanitize::escape_line as clean;
use crate::sentences::count_noun;
use crate::sentences::split_steps;
use crate::text_style::{Label, TextStyle};

/// So many findings of a rule may each have the rule's advice; of more than these the advice is printed once, at the end.
const MAX_REPEATS: usize = 2;
/// The width of the column with the severities.
const INDENT: usize = 9;

pub fn render_text(report: &Report, style: TextStyle) -> String {
    let mut out = String::new();
    if let Some(account) = &report.account {
        let (id, policy, at) =
            (clean(&account.shown_id), clean(&report.policy), format_moment(report.generated_at));
        let _ = writeln!(out, "account {id}, source {}, {at}, {policy}\n", account.source);
        // A rotation command lists the users that it may change: the result says that there is none
        if report.rotations.as_ref().is_none_or(|rotations| !rotations.is_empty())
            || report.user_lines().next().is_some()
        {
            out.push_str(&render_users(report, style));
            out.push('\n');
        }
    }
    out.push_str(&rotations::render_text(report, style));
    let repeated = repeated_advice(&report.findings, MAX_REPEATS);
    for finding in &report.findings {
        let has_advice = repeated.get(finding.rule) != Some(&shown_advice(finding));
        out.push_str(&render_finding(report, finding, style, has_advice));
    }
    for (rule, advice) in &repeated {
        out.push_str(&labelled(style, Some(Label::Help), "help", &format!("{rule}: {advice}")));
    }
    for fault in &report.faults {
        out.push_str(&labelled(style, Some(Label::Error), "fault", &verdict::fault_sentence(fault)));
    }
    for skipped in &report.skipped {
        let text = format!("{} was not fully checked: {}", skipped.rule, skipped.reason);
        out.push_str(&labelled(style, None, "info", &text));
    }
    for remark in &report.remarks {
        out.push_str(&labelled(style, None, "info", remark));
    }
    let colour = match report.outcome {
        ReportOutcome::Pass if report.needs_action() => AnsiColor::Yellow,
        ReportOutcome::Pass => AnsiColor::Green,
        _ => AnsiColor::Red,
    };
    let blank = if out.ends_with("\n\n") || out.is_empty() { "" } else { "\n" };
    let verdict = style.hang(0, &verdict::verdict(report));
    let _ = writeln!(out, "{blank}{}\n{}", verdict::headline(report), style.paint(colour, &verdict));
    out
}

/// A text behind a word in the column of the severities.
fn labelled(style: TextStyle, label: Option<Label>, word: &str, text: &str) -> String {
    style.labelled(label, word, INDENT, &clean(text))
}

fn render_finding(report: &Report, finding: &Finding, style: TextStyle, has_advice: bool) -> String {
    let (word, label) = finding.severity.label(finding.exempted.is_some());
    let file = Some(finding.location.file.as_str())
        .filter(|file| *file != report.policy && report.scanned.is_some());
    let subject = finding.user.as_deref().or(file).unwrap_or("policy");
    let message = format!("{subject}: {} [{}]", finding.message, finding.rule);
    let mut out = labelled(style, label, word, &message);
    let subject = clean(subject);
    if style.colour {
        out = out.replacen(&format!(" {subject}:"), &format!(" {}:", style.bold(&subject)), 1);
    }
    out.push_str(&render_place(finding, label.unwrap_or(Label::Note), style));
    if !has_advice {
        return out;
    }
    let word = if finding.exempted.is_some() { "exempted:" } else { "help:" };
    let page = shown_page(finding).map(|page| format!("pull request: {page}"));
    let advice: Vec<&str> = [Some(shown_advice(finding)), page.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    let advice = advice.join("; ");
    let advice = style.hang_lines(INDENT, split_steps(&format!("{word} {advice}")).into_iter().map(clean));
    let word_painted = match &finding.exempted {
        Some(_) => style.dim(word),
        None => style.label(Label::Help, word),
    };
    let _ = writeln!(out, "{}{}", " ".repeat(INDENT), advice.replacen(word, &word_painted, 1));
    out
}

/// Where a finding is: with the line of the file and a mark, if it may be shown.
fn render_place(finding: &Finding, label: Label, style: TextStyle) -> String {
    let at = finding.location.at;
    let place = format!("{}:{}:{}", clean(&finding.location.file), at.line, at.column);
    let blank = " ".repeat(INDENT);
    let Some(excerpt) = &finding.excerpt else {
        return format!("{blank}{}\n", style.dim(&format!("at {place}")));
    };
    // The arrow is above the bar beside the line, as compilers have it.
    let gutter = " ".repeat(excerpt.number_width());
    let mut out = format!("{blank}{gutter}{}{place}\n", style.dim("--> "));
    let room = TextStyle { width: style.width.map(|width| width.saturating_sub(INDENT)), ..style };
    for line in excerpt.render(label, room).lines() {
        let _ = writeln!(out, "{}", format!("{blank}{line}").trim_end());
    }
    out
}

fn render_users(report: &Report, style: TextStyle) -> String {
    let head = ["USER", "OLDEST ACTIVE KEY", "ACCESS KEY", "STATUS", "AGE", "LAST USED", "ROTATION"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    report.user_lines().for_each(|line| rows.extend(user_rows(report, line)));
    let shows_phase = report.user_lines().any(|line| line.phase.is_some());
    rows.iter_mut().for_each(|row| row.truncate(if shows_phase { 7 } else { 6 }));
    let widths = fit_columns(&mut rows, style);
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell}{}  ", " ".repeat(width - cell.width()));
        }
        let text = text.trim_end();
        let _ = writeln!(out, "{}", if index == 0 { style.bold(text) } else { text.to_owned() });
    }
    out
}

/// The columns of [`render_users`] that a narrow terminal has no room for.
const OLDEST_COLUMN: usize = 1;
const LAST_USED_COLUMN: usize = 5;

/// The widths of the columns. Where a line would break, the age of the oldest key goes, which the rows of the keys have as
/// well; then where a key was used last.
fn fit_columns(rows: &mut [Vec<String>], style: TextStyle) -> Vec<usize> {
    let mut widths = column_widths(rows);
    if breaks_lines(&widths, style) {
        for row in rows.iter_mut() {
            row.remove(OLDEST_COLUMN);
        }
        widths = column_widths(rows);
    }
    if breaks_lines(&widths, style) {
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(LAST_USED_COLUMN - 1)) {
            cell.truncate(cell.find(" (").unwrap_or(cell.len()));
        }
        widths = column_widths(rows);
    }
    widths
}

fn breaks_lines(widths: &[usize], style: TextStyle) -> bool {
    let line: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    style.width.is_some_and(|width| line > width)
}

fn column_widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column| rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.width()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// One row for each key. The user's name, oldest key and phase are in the first.
fn user_rows(report: &Report, line: &UserLine) -> Vec<Vec<String>> {
    let name = clean(&line.user.name);
    let oldest = oldest_active_days(report, &line.user)
        .map_or_else(|| "none".to_owned(), |days| count_noun(days, "day"));
    let phase = line.phase.map(|phase| phase.name().to_owned()).unwrap_or_default();
    let keys = line.user.keys_by_age();
    if keys.is_empty() {
        let mut row = vec![name, oldest, "none".to_owned()];
        row.extend(vec![String::new(); 3]);
        row.push(phase);
        return vec![row];
    }
    let mut rows = Vec::new();
    for (index, (_, key)) in keys.into_iter().enumerate() {
        let mut row = if index == 0 { vec![name.clone(), oldest.clone()] } else { vec![String::new(); 2] };
        row.extend(key_cells(report, key));
        row.push(if index == 0 { phase.clone() } else { String::new() });
        rows.push(row);
    }
    rows
}

fn key_cells(report: &Report, key: &AccessKey) -> [String; 4] {
    let least = if key.may_be_older { "at least " } else { "" };
    let age = format!("{least}{}", count_noun(age_days(report, key.created_at), "day"));
    [clean(&key_name(key)), clean(&key.status.to_string()), age, clean(&last_used(report, key))]
}
