//! The findings, grouped by rule: the advice once, the users under it, the worst first. And what could not be read.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::head::{render_link, render_place};
use crate::report::advice::{common_advice, shown_advice, shown_page, subject};
use crate::report::keys::KeyAges;
use crate::report::model::Report;
use crate::rules::{Finding, Severity, rank_urgency};
use crate::sanitize::{escape_html as clean, escape_html_keeping_code as with_code};
use crate::sentences::join_steps;

/// How many findings of a rule are shown at once; more are folded.
const SHOWN: usize = 10;

pub fn render_findings<'a>(
    report: &'a Report,
    title: &str,
    findings: impl Iterator<Item = &'a Finding>,
) -> String {
    let mut rules: BTreeMap<(Reverse<Severity>, usize, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let rank = rank_urgency(finding.rule);
        rules.entry((Reverse(finding.severity), rank, finding.rule)).or_default().push(finding);
    }
    if rules.is_empty() {
        return String::new();
    }
    let ages = KeyAges::of_report(report);
    let mut out = format!("<h2>{title}</h2>\n");
    for ((severity, ..), mut findings) in rules {
        ages.sort_oldest_first(&mut findings);
        out.push_str(&render_rule(report, severity.0, &findings));
    }
    out
}

fn render_rule(report: &Report, severity: Severity, findings: &[&Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let common = common_advice(findings);
    // An exempted error does not count, so it is not shown in the colour of an error
    let severity = if first.exempted.is_some() { "exempt" } else { severity.as_str() };
    let mut out = format!(
        "<details open class=\"rule {severity}-rule\"><summary><span class=\"{severity}\">{severity}</span> \
         <code>{}</code> <b>{}</b> <span class=\"dim\">{}</span></summary>\n",
        first.rule,
        findings.len(),
        clean(&first.controls.join(", "))
    );
    if let Some(advice) = common.filter(|advice| !advice.is_empty()) {
        let _ = writeln!(out, "<p class=\"help\">{}</p>", join_steps(advice, with_code, "<br>"));
    }
    let (shown, folded) = findings.split_at(if findings.len() > SHOWN + 2 { SHOWN } else { findings.len() });
    out.push_str(&render_table(report, shown, common));
    if !folded.is_empty() {
        let table = render_table(report, folded, common);
        let _ = write!(out, "<details><summary>{} more</summary>\n{table}</details>\n", folded.len());
    }
    out + "</details>\n"
}

fn render_table(report: &Report, findings: &[&Finding], common: Option<&str>) -> String {
    let has_users = findings.iter().any(|finding| !subject(finding).is_empty());
    let mut out = render_table_head(has_users);
    for finding in findings {
        let mut what = with_code(&finding.message);
        for text in own_advice(finding, common) {
            let _ = write!(what, "<br><span class=\"dim\">{text}</span>");
        }
        let user = if has_users { format!("<td>{}</td>", clean(subject(finding))) } else { String::new() };
        let _ = writeln!(
            out,
            "<tr>{user}<td>{what}</td><td>{}</td></tr>",
            render_place(report, &finding.location.file, Some(finding.location.at.line))
        );
    }
    out + "</table>\n"
}

/// The start of a table of findings. Without a user in any of them there is no column of users.
pub fn render_table_head(has_users: bool) -> String {
    let (class, user) = if has_users { ("findings", "<th>user</th>") } else { ("findings no-user", "") };
    format!("<table class=\"{class}\">\n<thead><tr>{user}<th>what</th><th>where</th></tr></thead>\n")
}

/// What a finding adds to the advice that is common to all: its own, step by step, and the page as a link.
fn own_advice(finding: &Finding, common: Option<&str>) -> Vec<String> {
    let advice = Some(shown_advice(finding)).filter(|advice| !advice.is_empty() && Some(*advice) != common);
    let mut parts: Vec<String> =
        advice.map(|advice| join_steps(advice, with_code, "<br>")).into_iter().collect();
    parts.extend(shown_page(finding).map(|page| format!("pull request: {}", render_link(page))));
    parts
}

pub fn render_faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>Could not be read</h2>\n<table class=\"faults\">\n<thead><tr><th>user</th><th>call</th>\
                   <th>what happened</th></tr></thead>\n"
            .to_owned();
    for fault in &report.faults {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            clean(fault.user.as_deref().unwrap_or("")),
            clean(&fault.operation),
            with_code(&fault.message)
        );
    }
    out + "</table>\n"
}
