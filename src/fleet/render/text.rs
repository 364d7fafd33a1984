//! The text format: what could not be read, then what is not good, by account and repository, the worst first, and at the
//! end the help of each rule, once.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::AnsiColor;

use super::words;
use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::{FleetReport, LineDetails};
use crate::report::ReportOutcome;
use crate::sanitize::escape_line as clean;
use crate::text_style::{Label, TextStyle};

/// How many findings of a section are shown; the other formats have all.
const SHOWN: usize = 10;
/// How many of these may be of one rule, where there are more: the same key of each user would hide what else is wrong.
const SHOWN_OF_RULE: usize = 4;
/// The width of the column with the severities.
const COLUMN: usize = 10;

pub fn render_text(report: &FleetReport, style: TextStyle) -> String {
    let mut out = String::new();
    for fault in words::unread(report) {
        out.push_str(&style.labelled(Some(Label::Error), "not read", COLUMN, &clean(&fault)));
    }
    for finding in words::worst_first(&report.findings) {
        out.push_str(&render_finding("", finding, style));
    }
    for account in &report.accounts {
        let title = format!("account {}", account.id);
        out.push_str(&render_section(
            &title,
            &account.details,
            &render_notes(&account.details, style),
            style,
        ));
    }
    // Without its notes: the same reasons for every repository would hide the findings.
    for repository in &report.repositories {
        out.push_str(&render_section(&repository.name, &repository.details, "", style));
    }
    out.push_str(&render_helps(report, style));
    for remark in &report.remarks {
        out.push_str(&style.labelled(Some(Label::Note), "note:", 6, &clean(remark)));
    }
    let left_out = words::left_out(report);
    if !left_out.is_empty() {
        let _ = writeln!(out, "left out: {left_out}");
    }
    let found = words::problems(&report.summary);
    let verdict = style.paint(outcome_colour(report.outcome), &words::verdict(report));
    let _ = writeln!(out, "{found}; {}\n{verdict}", words::scope(report));
    out
}

fn outcome_colour(outcome: ReportOutcome) -> AnsiColor {
    match outcome {
        ReportOutcome::Pass => AnsiColor::Green,
        ReportOutcome::Breach | ReportOutcome::Invalid | ReportOutcome::Incomplete => AnsiColor::Red,
    }
}

fn render_section(title: &str, details: &LineDetails, notes: &str, style: TextStyle) -> String {
    let is_quiet = details.findings.is_empty() && details.faults.is_empty() && notes.is_empty();
    if is_quiet && details.outcome == ReportOutcome::Pass {
        return String::new();
    }
    let outcome = style.paint(outcome_colour(details.outcome), details.outcome.word());
    let mut out = format!("{}: {outcome}\n", style.bold(&clean(title)));
    let (shown, more) = choose_findings(words::worst_first(&details.findings));
    for finding in shown {
        out.push_str(&render_finding("  ", finding, style));
    }
    if !more.is_empty() {
        let rules: Vec<String> =
            more.iter().take(SHOWN).map(|(rule, count)| format!("{count} {}", clean(rule))).collect();
        let text = format!("  and {} more: {}", more.values().sum::<usize>(), rules.join(", "));
        let _ = writeln!(out, "{}", style.hang(2, &text));
    }
    out + notes
}

/// The findings that are shown, and how many of each rule are not.
fn choose_findings(findings: Vec<&FleetFinding>) -> (Vec<&FleetFinding>, BTreeMap<&str, usize>) {
    let (mut shown, mut more) = (Vec::new(), BTreeMap::new());
    let limit = if findings.len() > SHOWN { SHOWN_OF_RULE } else { SHOWN };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        let count = counts.entry(&finding.rule).or_default();
        *count += 1;
        if *count <= limit && shown.len() < SHOWN {
            shown.push(finding);
        } else {
            *more.entry(finding.rule.as_str()).or_default() += 1;
        }
    }
    (shown, more)
}

fn render_notes(details: &LineDetails, style: TextStyle) -> String {
    let mut out = String::new();
    for skipped in &details.not_checked {
        let text = format!("  {} was not fully checked: {}", clean(&skipped.rule), clean(&skipped.reason));
        let _ = writeln!(out, "{}", style.hang(2, &text));
    }
    for remark in &details.remarks {
        let _ = writeln!(out, "  {} {}", style.label(Label::Note, "note:"), style.hang(8, &clean(remark)));
    }
    out
}

fn render_finding(indent: &str, finding: &FleetFinding, style: TextStyle) -> String {
    let (word, label) = finding.severity.label(finding.exempted);
    // A user's finding is about AWS; the others are about a place in a file.
    let place = match &finding.user {
        Some(_) => String::new(),
        None => format!(
            " ({}:{}:{})",
            finding.location.file, finding.location.at.line, finding.location.at.column
        ),
    };
    let text = clean(&format!("{} [{}]{place}", words::finding(finding), finding.rule));
    // The blanks of the indent are part of the column, so that later lines hang below the text.
    let painted = label.map_or_else(|| style.dim(word), |label| style.label(label, word));
    let blank = " ".repeat(COLUMN - word.len());
    format!("{indent}{painted}{blank}{}\n", style.hang(indent.len() + COLUMN, &text))
}

/// What to do about each rule that has a finding, once; an exempted finding needs nothing.
fn render_helps(report: &FleetReport, style: TextStyle) -> String {
    let mut out = String::new();
    for count in words::count_rules(report) {
        let text = clean(&format!("{}: {}", count.rule, count.help));
        out.push_str(&style.labelled(Some(Label::Help), "help:", 6, &text));
    }
    out
}
