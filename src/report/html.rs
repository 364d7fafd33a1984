//! One page that needs nothing else: no script, no font, no address is loaded. The keys' ages are drawn as SVG.

use std::fmt::Write;

use super::timeline::{BarState, KeyBar, key_bars};
use super::{Report, ReportOutcome, age_days, report_headline, text, verdict_line};
use crate::rules::Finding;
use crate::sanitize::escape_html as clean;

const STYLE: &str = "
:root { color-scheme: light dark; --ok: #1a7f37; --warn: #9a6700; --bad: #cf222e; --line: #8884; --dim: #777 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line) }
th { font-weight: 600 } code { font: .92em ui-monospace, monospace; overflow-wrap: break-word } .dim { color: var(--dim) }
.error, .bad { color: var(--bad) } .warning { color: var(--warn) } .ok { color: var(--ok) } svg { width: 100%; height: auto }
svg text { font: 12px system-ui, sans-serif; fill: currentColor } .Over { fill: var(--bad) } .Warned { fill: var(--warn) } .Young { fill: var(--ok) }
";

pub fn render_html(report: &Report) -> String {
    let class = if report.outcome == ReportOutcome::Pass { "ok" } else { "bad" };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>keytide: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>keytide: <span class=\"{class}\">{}</span></h1>\n<p>{}",
        report.outcome.name(),
        clean(verdict_line(report)),
        clean(&report_headline(report))
    );
    if let Some(account) = &report.account {
        let _ = write!(out, " in account <code>{}</code>, source {}", clean(&account.id), account.source);
    }
    let _ = writeln!(out, ", {}, <code>{}</code></p>", report.generated_at, clean(&report.policy));
    out.push_str(&render_timeline(&key_bars(report)));
    out.push_str(&render_findings("Findings", report.counted_findings()));
    out.push_str(&render_faults(report));
    out.push_str(&render_keys(report));
    out.push_str(&render_findings(
        "Exempted",
        report.findings.iter().filter(|finding| finding.exempted.is_some()),
    ));
    out.push_str(&render_remarks(report));
    out + "</body>\n</html>\n"
}

/// Bars to scale; a tick stands at each key's limit.
fn render_timeline(bars: &[KeyBar]) -> String {
    const LEFT: i64 = 330;
    const WIDTH: i64 = 600;
    const ROW: i64 = 22;
    let Some(longest) = bars.iter().map(|bar| bar.days.max(bar.limit_days.unwrap_or(0))).max() else {
        return String::new();
    };
    let x = |days: i64| LEFT + days * WIDTH / longest.max(1);
    let height = bars.len() as i64 * ROW + 8;
    let mut out = format!(
        "<h2>Active keys</h2>\n<svg viewBox=\"0 0 1000 {height}\" role=\"img\" aria-label=\"ages of the active keys\">\n"
    );
    for (row, bar) in bars.iter().enumerate() {
        let (top, end) = (row as i64 * ROW + 4, x(bar.days));
        let class = match bar.state {
            BarState::Young => "Young",
            BarState::Warned => "Warned",
            BarState::Over => "Over",
        };
        let label = clean(&shorten_label(&format!("{} {}", bar.user, bar.key)));
        let base = top + 14;
        let _ = writeln!(
            out,
            "<text x=\"0\" y=\"{base}\">{label}</text><rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"16\" rx=\"3\"/><text x=\"{}\" y=\"{base}\">{} d</text>",
            (end - LEFT).max(2),
            end + 8,
            bar.days
        );
        if let Some(limit) = bar.limit_days {
            let (at, bottom) = (x(limit), top + 18);
            let _ = writeln!(
                out,
                "<line x1=\"{at}\" y1=\"{}\" x2=\"{at}\" y2=\"{bottom}\" stroke=\"currentColor\" stroke-dasharray=\"2 2\"><title>limit: {limit} days</title></line>",
                top - 2
            );
        }
    }
    out + "</svg>\n<p class=\"dim\">A dashed line is the limit of <code>max_age</code>.</p>\n"
}

fn shorten_label(text: &str) -> String {
    if text.chars().count() <= 46 { text.to_owned() } else { text.chars().take(45).chain(['…']).collect() }
}

fn render_findings<'a>(title: &str, findings: impl Iterator<Item = &'a Finding>) -> String {
    let mut rows = String::new();
    for finding in findings {
        let (severity, at) = (finding.severity.as_str(), &finding.location);
        let user = clean(finding.user.as_deref().unwrap_or(""));
        let advice = clean(finding.exempted.as_deref().unwrap_or(&finding.help));
        let controls = clean(&finding.controls.join(", "));
        let _ = writeln!(
            rows,
            "<tr><td class=\"{severity}\">{severity}</td><td><code>{}</code></td><td>{user}</td><td>{}<br><span class=\"dim\">{advice}</span></td><td><code>{}:{}</code></td><td>{controls}</td></tr>",
            finding.rule,
            clean(&finding.message),
            clean(&at.file),
            at.at.line
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<h2>{title}</h2>\n<table>\n<tr><th>severity</th><th>rule</th><th>user</th><th>what, and what to do</th><th>where</th><th>controls</th></tr>\n{rows}</table>\n"
    )
}

fn render_faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>Could not be read</h2>\n<table>\n<tr><th>user</th><th>call</th><th>what happened</th></tr>\n"
            .to_owned();
    for fault in &report.faults {
        let user = clean(fault.user.as_deref().unwrap_or(""));
        let _ = writeln!(
            out,
            "<tr><td>{user}</td><td><code>{}</code></td><td>{}</td></tr>",
            clean(&fault.operation),
            clean(&fault.message)
        );
    }
    out + "</table>\n"
}

fn render_keys(report: &Report) -> String {
    if report.user_lines().next().is_none() {
        return String::new();
    }
    let mut out = "<h2>Keys</h2>\n<table>\n<tr><th>user</th><th>access key</th><th>status</th><th>age</th><th>last used</th></tr>\n".to_owned();
    for line in report.user_lines() {
        let name = clean(&line.user.name);
        if line.user.keys.is_empty() {
            let _ = writeln!(
                out,
                "<tr><td>{name}</td><td class=\"dim\">none</td><td></td><td></td><td></td></tr>"
            );
        }
        for (_, key) in line.user.keys_by_age() {
            let (id, status) = (clean(&text::key_name(key)), clean(&key.status.to_string()));
            let (days, used) = (age_days(report, key), clean(&text::last_used(report, key)));
            let _ = writeln!(
                out,
                "<tr><td>{name}</td><td><code>{id}</code></td><td>{status}</td><td>{days} d</td><td>{used}</td></tr>"
            );
        }
    }
    out + "</table>\n"
}

fn render_remarks(report: &Report) -> String {
    let skipped = report.skipped.iter().map(|s| format!("{} was not fully checked: {}", s.rule, s.reason));
    let items: String = skipped
        .chain(report.remarks.iter().cloned())
        .map(|text| format!("<li>{}</li>\n", clean(&text)))
        .collect();
    if items.is_empty() { items } else { format!("<h2>Notes</h2>\n<ul>\n{items}</ul>\n") }
}
