//! The head of the page, with what the report is about, and its script.

use std::fmt::Write;

use super::page::render_page_start;
use crate::dates::format_moment;
use crate::report::verdict;
use crate::report::{Report, ReportOutcome};
use crate::sanitize::{escape_html as clean, escape_html_keeping_code as with_code};

const SCRIPT: &str = include_str!("script.js");

/// Everything up to the content of the page.
pub fn render_head(report: &Report) -> String {
    let class = if report.outcome == ReportOutcome::Pass && !report.needs_action() { "ok" } else { "bad" };
    let repository = report.origin.repository.as_deref();
    let heading = clean(repository.unwrap_or("keytide"));
    let verdict = verdict::verdict(report);
    // The result has a colon of its own
    let title = format!("{heading} · {}", clean(&verdict.replace('`', "")));
    let verdict = with_code(&verdict);
    format!(
        "{}<header>\n<h1>{heading} · <span class=\"{class}\">{verdict}</span></h1>\n{}</header>\n",
        render_page_start(&title, SCRIPT),
        render_facts(report)
    )
}

/// The script, at the end of the page, where the table of users exists.
pub fn render_script() -> String {
    format!("<script>{SCRIPT}</script>\n")
}

/// The account, the time, the files and the version.
fn render_facts(report: &Report) -> String {
    let mut facts = Vec::new();
    if let Some(account) = &report.account {
        facts.push(format!("account <code>{}</code>", clean(&account.shown_id)));
    }
    facts.push(format_moment(report.generated_at));
    if !report.policy.is_empty() {
        facts.push(format!("policy file {}", render_place(report, &report.policy, None)));
    }
    if let Some(commit) = &report.origin.commit {
        facts.push(format!("commit <code>{}</code>", clean(commit.get(..12).unwrap_or(commit))));
    }
    if let Some(account) = &report.account {
        facts.push(format!("source {}", account.source));
    }
    facts.push(format!("keytide {}", env!("CARGO_PKG_VERSION")));
    let mut out = "<ul class=\"facts\">".to_owned();
    for fact in facts {
        let _ = write!(out, "<li>{fact}</li>");
    }
    out + "</ul>\n"
}

/// A page as a link, if it is one of a service with TLS.
pub fn render_link(url: &str) -> String {
    let text = clean(url);
    let is_page = text.starts_with("https://") && !text.contains(' ');
    if is_page { format!("<a href=\"{text}\">{text}</a>") } else { text }
}

/// A place in a file, with a link where repository and commit are known.
pub fn render_place(report: &Report, file: &str, line: Option<u32>) -> String {
    let text = match line {
        Some(line) => format!("<code>{}:{line}</code>", clean(file)),
        None => format!("<code>{}</code>", clean(file)),
    };
    match report.origin.line_url(file, line.unwrap_or(1)) {
        Some(url) => format!("<a href=\"{url}\">{text}</a>"),
        None => text,
    }
}
