//! The HTML format: one self-contained page. It loads no script, no font and no address.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::keys::{age_days, count_noun, due_day, format_minute, key_name, last_used};
use super::model::{Report, ReportOutcome, UserLine};
use super::timeline::key_bars;
use super::{rotations, svg, verdict};
use crate::rules::{Finding, Severity};
use crate::sanitize::{escape_html as clean, escape_html_keeping_code as with_code};

/// The colours have a contrast of at least 4.5:1 on both backgrounds.
const STYLE: &str = include_str!("page.css");

pub fn render_html(report: &Report) -> String {
    let class = if report.outcome == ReportOutcome::Pass && !report.needs_action() { "ok" } else { "bad" };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>keytide: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>keytide: <span class=\"{class}\">{}</span></h1>\n<p class=\"dim\">",
        report.outcome.name(),
        clean(&verdict::verdict(report)),
    );
    if let Some(account) = &report.account {
        let _ = write!(out, "account <code>{}</code>, source {}, ", clean(&account.id), account.source);
    }
    let at = format_minute(report.generated_at);
    let _ = writeln!(out, "{at}, policy file <code>{}</code></p>", clean(&report.policy));
    out.push_str(&render_tiles(report));
    out.push_str(&rotations::render_html(report));
    out.push_str(&render_findings("Findings", report.counted_findings()));
    out.push_str(&render_faults(report));
    out.push_str(&svg::render_timeline(&key_bars(report)));
    out.push_str(&render_keys(report));
    let exempted = report.findings.iter().filter(|finding| finding.exempted.is_some());
    out.push_str(&render_findings("Exempted", exempted));
    out.push_str(&render_remarks(report));
    out + "</body>\n</html>\n"
}

/// The counts at the top of the page.
fn render_tiles(report: &Report) -> String {
    let summary = report.summarize();
    let mut tiles = vec![
        (summary.errors, "error", "error"),
        (summary.warnings, "warning", "warning"),
        (summary.notes, "note", "note"),
        (summary.exempted, "exempted", "dim"),
    ];
    if report.account.is_some() {
        tiles.extend([(summary.users, "user", ""), (summary.keys, "key", "")]);
    }
    if let Some(scanned) = &report.scanned {
        tiles.push((scanned.files, "file", ""));
    }
    let mut out = "<ul class=\"tiles\">\n".to_owned();
    for (number, name, class) in tiles {
        let class = if number == 0 { "dim" } else { class };
        let plural = if number == 1 || name == "exempted" { "" } else { "s" };
        let _ = writeln!(out, "<li><b class=\"{class}\">{number}</b> {name}{plural}</li>");
    }
    out + "</ul>\n"
}

/// The findings of each rule together, the worst rule first. The advice is shown once where it is the same for all.
fn render_findings<'a>(title: &str, findings: impl Iterator<Item = &'a Finding>) -> String {
    let mut rules: BTreeMap<(std::cmp::Reverse<Severity>, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        rules.entry((std::cmp::Reverse(finding.severity), finding.rule)).or_default().push(finding);
    }
    if rules.is_empty() {
        return String::new();
    }
    let mut out = format!("<h2>{title}</h2>\n");
    for ((severity, rule), findings) in rules {
        out.push_str(&render_rule(severity.0, rule, &findings));
    }
    out
}

fn render_rule(severity: Severity, rule: &str, findings: &[&Finding]) -> String {
    let first = advice(findings[0]);
    let has_one_advice = findings.iter().all(|finding| advice(finding) == first);
    let controls = clean(&findings[0].controls.join(", "));
    let severity = severity.as_str();
    let mut out = format!(
        "<details open><summary><span class=\"{severity}\">{severity}</span> <code>{rule}</code> <span class=\"dim\">{} \
         {controls}</span></summary>\n",
        findings.len()
    );
    if has_one_advice {
        let _ = writeln!(out, "<p>{}</p>", with_code(first));
    }
    out.push_str("<table class=\"findings\">\n<tr><th>user</th><th>what</th><th>where</th></tr>\n");
    for finding in findings {
        let at = &finding.location;
        let mut what = with_code(&finding.message);
        if !has_one_advice {
            let _ = write!(what, "<br><span class=\"dim\">{}</span>", with_code(advice(finding)));
        }
        let _ = writeln!(
            out,
            "<tr><td data-label=\"user\">{}</td><td data-label=\"what\">{what}</td><td data-label=\"where\"><code>{}:{}</code></td></tr>",
            clean(finding.user.as_deref().unwrap_or("")),
            clean(&at.file),
            at.at.line
        );
    }
    out + "</table></details>\n"
}

/// What to do about a finding, or why it is accepted.
fn advice(finding: &Finding) -> &str {
    finding.exempted.as_deref().unwrap_or(&finding.help)
}

fn render_faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>Could not be read</h2>\n<table>\n<tr><th>user</th><th>call</th><th>what happened</th></tr>\n"
            .to_owned();
    for fault in &report.faults {
        let _ = writeln!(
            out,
            "<tr><td data-label=\"user\">{}</td><td data-label=\"call\"><code>{}</code></td><td data-label=\"what \
             happened\">{}</td></tr>",
            clean(fault.user.as_deref().unwrap_or("")),
            clean(&fault.operation),
            with_code(&fault.message)
        );
    }
    out + "</table>\n"
}

fn render_keys(report: &Report) -> String {
    let users = report.user_lines().count();
    if users == 0 {
        return String::new();
    }
    let has_phases = report.user_lines().any(|line| line.phase.is_some());
    let phase_head = if has_phases { "<th>rotation</th>" } else { "" };
    // A long list is folded: the findings name what is wrong.
    let open = if users <= 50 { " open" } else { "" };
    let mut out = format!(
        "<h2>Keys</h2>\n<details{open}><summary>{}</summary>\n<table>\n<tr><th>user</th><th>access \
         key</th><th>status</th><th>age</th><th>last used</th>{phase_head}<th>next due</th></tr>\n",
        count_noun(users as i64, "user")
    );
    report.user_lines().for_each(|line| out.push_str(&user_rows(report, line, has_phases)));
    out + "</table></details>\n"
}

fn user_rows(report: &Report, line: &UserLine, has_phases: bool) -> String {
    let name = clean(&line.user.name);
    let phase = line.phase.map(|phase| phase.name()).unwrap_or_default();
    let phase = if has_phases { format!("<td data-label=\"rotation\">{phase}</td>") } else { String::new() };
    let due = due_day(report, line);
    if line.user.keys.is_empty() {
        return format!(
            "<tr><td data-label=\"user\">{name}</td><td data-label=\"access key\" class=\"dim\">none</td><td></td><td></td>\
             <td></td>{phase}<td></td></tr>\n"
        );
    }
    let mut rows = String::new();
    for (_, key) in line.user.keys_by_age() {
        let (id, status) = (clean(&key_name(key)), clean(&key.status.to_string()));
        let (days, used) = (age_days(report, key), clean(&last_used(report, key)));
        let _ = writeln!(
            rows,
            "<tr><td data-label=\"user\">{name}</td><td data-label=\"access key\"><code>{id}</code></td><td \
             data-label=\"status\">{status}</td><td data-label=\"age\">{days} d</td><td data-label=\"last used\">{used}</td>\
             {phase}<td data-label=\"next due\">{due}</td></tr>"
        );
    }
    rows
}

fn render_remarks(report: &Report) -> String {
    let skipped = report.skipped.iter().map(|s| format!("{} was not fully checked: {}", s.rule, s.reason));
    let items: String = skipped
        .chain(report.remarks.iter().cloned())
        .map(|text| format!("<li>{}</li>\n", with_code(&text)))
        .collect();
    if items.is_empty() { items } else { format!("<h2>What was not checked</h2>\n<ul>\n{items}</ul>\n") }
}
