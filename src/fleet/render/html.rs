//! The HTML format: one self-contained page with tiles, accounts and repositories, the worst first. It loads nothing.
//!
//! Without the script everything is on the page and readable; the script only filters. All texts go through
//! `sanitize::escape_html`.

use std::fmt::Write;

use super::words;
use crate::dates::format_moment;
use crate::fleet::collection::RepositoryState;
use crate::fleet::finding::FleetFinding;
use crate::fleet::merge::{AccountLine, FleetReport, LineDetails, RepositoryLine};
use crate::report::html::findings::render_table_head;
use crate::report::html::page::render_page_start;
use crate::report::{ReportOutcome, ReportSummary};
use crate::sanitize::{escape_html as clean, escape_html_keeping_code as with_code};
use crate::sentences::join_steps;

const SCRIPT: &str = include_str!("script.js");

/// How many findings of a line are on the page; a browser does not show a hundred thousand well.
const MAX_FINDINGS: usize = 100;
/// How many lines that did not pass are shown at once; more are folded.
const SHOWN_LINES: usize = 100;
/// How many names of repositories that were left out are on the page.
const MAX_NAMES: usize = 1000;

pub fn render_html(report: &FleetReport) -> String {
    let mut out = render_head(report);
    out.push_str("<main>\n");
    out.push_str(&render_tiles(report));
    out.push_str(&render_faults(report));
    out.push_str(&render_rules(report));
    out.push_str(&render_fleet_findings(report));
    let lines = report.repositories.iter().map(|line| (is_quiet(&line.details), render_repository(line)));
    out.push_str(&render_list("Repositories", "", lines));
    let lines = report.accounts.iter().map(|line| (is_quiet(&line.details), render_account(line)));
    out.push_str(&render_list("Accounts", words::OF_ACCOUNTS, lines));
    out.push_str(&render_left_out(report));
    out.push_str("</main>\n<script>");
    out.push_str(SCRIPT);
    out + "</script>\n</body>\n</html>\n"
}

fn render_head(report: &FleetReport) -> String {
    let class = if report.outcome == ReportOutcome::Pass { "ok" } else { "bad" };
    let title = format!("keytide fleet · {}", report.outcome.word());
    format!(
        "{}<header>\n<h1>keytide fleet · <span class=\"{class}\">{}</span></h1>\n\
         <ul class=\"facts\"><li>{}</li><li>{}</li><li>keytide {}</li></ul>\n</header>\n",
        render_page_start(&title, SCRIPT),
        clean(&words::verdict(report)),
        clean(&words::scope(report)),
        format_moment(report.generated_at),
        env!("CARGO_PKG_VERSION")
    )
}

fn render_tiles(report: &FleetReport) -> String {
    let mut tiles = Vec::new();
    for (outcome, one, many, class) in [
        (ReportOutcome::Incomplete, "repository incomplete", "repositories incomplete", "error"),
        (ReportOutcome::Invalid, "invalid policy file", "invalid policy files", "error"),
        (ReportOutcome::Breach, "repository failed", "repositories failed", "error"),
        (ReportOutcome::Pass, "repository passed", "repositories passed", "ok"),
    ] {
        let number = report.repositories.iter().filter(|line| line.details.outcome == outcome).count();
        tiles.push((number, one, many, class));
    }
    let unread =
        report.accounts.iter().filter(|line| line.details.outcome == ReportOutcome::Incomplete).count();
    tiles.push((unread, "account incomplete", "accounts incomplete", "error"));
    tiles.push((report.summary.errors, "error", "errors", "error"));
    tiles.push((report.summary.warnings, "warning", "warnings", "warning"));
    tiles.push((report.accounts.len(), "account", "accounts", "plain"));
    tiles.push((report.summary.users, "user", "users", "plain"));
    tiles.push((report.summary.keys, "key", "keys", "plain"));
    let mut out = "<ul class=\"tiles rows\">\n".to_owned();
    for (number, one, many, class) in tiles {
        let class = if number == 0 { "dim" } else { class };
        let text = if number == 1 { one } else { many };
        let _ = writeln!(out, "<li><b class=\"{class}\">{number}</b> {text}</li>");
    }
    out + "</ul>\n"
}

fn render_faults(report: &FleetReport) -> String {
    let unread = words::unread(report);
    if unread.is_empty() && report.remarks.is_empty() {
        return String::new();
    }
    let title = if unread.is_empty() { "Remarks" } else { "What is missing" };
    let mut out = format!("<h2>{title}</h2>\n<ul>\n");
    for fault in unread.iter().take(MAX_FINDINGS) {
        let _ = writeln!(out, "<li><span class=\"error\">not read</span> {}</li>", with_code(fault));
    }
    if unread.len() > MAX_FINDINGS {
        let _ = writeln!(
            out,
            "<li class=\"dim\">{} more are at their repositories.</li>",
            unread.len() - MAX_FINDINGS
        );
    }
    for remark in &report.remarks {
        let _ = writeln!(out, "<li>{}</li>", with_code(remark));
    }
    out + "</ul>\n"
}

/// How often each rule has found something, and what to do about it: once, and not with each finding.
fn render_rules(report: &FleetReport) -> String {
    let counts = words::count_rules(report);
    if counts.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>By rule</h2>\n<table class=\"rules\">\n<thead><tr><th>rule</th><th>findings</th><th>what to do</th></tr></thead>\n"
            .to_owned();
    for count in counts {
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            clean(count.rule),
            words::problems(&count.summary),
            join_steps(count.help, with_code, "<br>")
        );
    }
    out + "</table>\n"
}

fn render_fleet_findings(report: &FleetReport) -> String {
    if report.findings.is_empty() {
        return String::new();
    }
    format!("<h2>The fleet</h2>\n{}", render_findings(&words::worst_first(&report.findings)))
}

fn render_account(line: &AccountLine) -> String {
    let ReportSummary { users, keys, .. } = line.details.summary;
    let counts = if words::knows_users(&line.details) {
        format!("{}, {}", words::noun(users, "user"), words::noun(keys, "key"))
    } else {
        "users not known".to_owned()
    };
    let about = format!("{counts}, named by {}", words::noun(line.repositories.len(), "policy file"));
    render_line(&line.id, &about, &line.details)
}

fn render_repository(line: &RepositoryLine) -> String {
    let accounts: Vec<&str> = line.accounts.iter().map(String::as_str).collect();
    let account = if accounts.is_empty() { "no account".to_owned() } else { accounts.join(", ") };
    let users = match line.details.summary.users {
        0 => String::new(),
        users => format!(", {}", words::noun(users, "user")),
    };
    render_line(&line.name, &format!("{account}{users}"), &line.details)
}

/// Whether a line passed, and has no warning.
fn is_quiet(details: &LineDetails) -> bool {
    details.outcome == ReportOutcome::Pass && details.summary.errors + details.summary.warnings == 0
}

/// A list with its filter, which the script shows. Without it the controls would do nothing. The quiet lines are folded, and of
/// very many others those after the worst.
fn render_list(title: &str, about: &str, lines: impl Iterator<Item = (bool, String)>) -> String {
    let (passed, others): (Vec<_>, Vec<_>) = lines.partition(|(is_quiet, _)| *is_quiet);
    if passed.is_empty() && others.is_empty() {
        return String::new();
    }
    let about = if about.is_empty() { String::new() } else { format!("<p class=\"dim\">{about}</p>\n") };
    let mut out = format!(
        "<section>\n<h2>{title}</h2>\n{about}<p class=\"filter\" hidden><label>Filter <input type=\"search\" name=\"text\">\
         </label><label>Result <select name=\"state\"><option value=\"\">all</option>"
    );
    for outcome in ReportOutcome::WORST_FIRST {
        let _ = write!(out, "<option>{}</option>", outcome.word());
    }
    out.push_str("</select></label><output></output></p>\n");
    let (shown, folded) = others.split_at(others.len().min(SHOWN_LINES));
    out.extend(shown.iter().map(|(_, line)| line.as_str()));
    let more = format!("{} more with errors or warnings", folded.len());
    let passed_title = format!("{} passed without a warning", passed.len());
    for (title, lines) in [(more, folded), (passed_title, &passed[..])] {
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<details class=\"fold\"><summary>{title}</summary>");
        out.extend(lines.iter().map(|(_, line)| line.as_str()));
        out.push_str("</details>\n");
    }
    out + "</section>\n"
}

fn render_line(name: &str, about: &str, details: &LineDetails) -> String {
    let (class, border) = match details.outcome {
        ReportOutcome::Pass if details.summary.warnings == 0 => ("ok", ""),
        ReportOutcome::Pass => ("ok", " warning-rule"),
        ReportOutcome::Breach | ReportOutcome::Invalid | ReportOutcome::Incomplete => {
            ("error", " error-rule")
        }
    };
    let outcome = details.outcome.word();
    let worst = words::worst_finding(details).map(|text| format!(" ({text})")).unwrap_or_default();
    let head = format!(
        "<span class=\"{class}\">{outcome}</span> <b>{}</b> {}{} <span class=\"dim\">{}</span>",
        clean(name),
        clean(&words::found(details)),
        clean(&worst),
        clean(about)
    );
    let content = render_details(details);
    if content.is_empty() {
        return format!("<p class=\"rule{border}\" data-state=\"{outcome}\">{head}</p>\n");
    }
    format!(
        "<details class=\"rule{border}\" data-state=\"{outcome}\"><summary>{head}</summary>\n{content}</details>\n"
    )
}

/// What a line opens onto.
fn render_details(details: &LineDetails) -> String {
    let mut out = render_findings(&words::worst_first(&details.findings));
    let faults = details
        .faults
        .iter()
        .map(|fault| format!("<span class=\"error\">not read</span> {}", with_code(&words::fault(fault))));
    let skipped = details
        .not_checked
        .iter()
        .map(|skipped| with_code(&format!("{} was not fully checked: {}", skipped.rule, skipped.reason)));
    let remarks = details.remarks.iter().map(|remark| with_code(remark));
    let items: String =
        faults.chain(skipped).chain(remarks).map(|item| format!("<li>{item}</li>\n")).collect();
    if !items.is_empty() {
        let _ = write!(out, "<ul>\n{items}</ul>\n");
    }
    out
}

fn render_findings(findings: &[&FleetFinding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let has_users = findings.iter().any(|finding| finding.user.is_some());
    let mut out = render_table_head(has_users);
    for finding in findings.iter().take(MAX_FINDINGS) {
        out.push_str(&render_finding(finding, has_users));
    }
    out.push_str("</table>\n");
    if findings.len() > MAX_FINDINGS {
        let rest = findings.len() - MAX_FINDINGS;
        let _ = writeln!(out, "<p class=\"dim\">{rest} more are in the formats JSON and CSV.</p>");
    }
    out
}

fn render_finding(finding: &FleetFinding, has_users: bool) -> String {
    let severity = if finding.exempted { "exempt" } else { finding.severity.as_str() };
    let advice = match &finding.exemption_reason {
        Some(reason) => reason.as_str(),
        // The list of the rules has it
        None if finding.help == words::shared_help(finding) => "",
        None => &finding.help,
    };
    let mut what = format!(
        "<span class=\"{severity}\">{severity}</span> <code>{}</code> {}",
        clean(&finding.rule),
        with_code(&finding.message)
    );
    if !advice.is_empty() {
        let _ = write!(what, "<br><span class=\"dim\">{}</span>", join_steps(advice, with_code, "<br>"));
    }
    let user = clean(finding.user.as_deref().unwrap_or_default());
    let user = if has_users { format!("<td>{user}</td>") } else { String::new() };
    format!(
        "<tr>{user}<td>{what}</td><td><code>{}:{}</code></td></tr>\n",
        clean(&finding.location.file),
        finding.location.at.line
    )
}

fn render_left_out(report: &FleetReport) -> String {
    let mut out = String::new();
    for (state, words) in RepositoryState::LEFT_OUT {
        let Some(names) = report.left_out.get(&state) else { continue };
        let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| clean(name)).collect();
        let _ = writeln!(
            out,
            "<details><summary>{} {words}</summary>\n<p>{}</p></details>",
            names.len(),
            shown.join(", ")
        );
    }
    if out.is_empty() { out } else { format!("<h2>Repositories left out</h2>\n{out}") }
}
