//! The HTML format: one self-contained page for people who must judge many users. It loads nothing.
//!
//! Without the script everything is on the page and readable; the script only filters and sorts the table of users.
//! All texts go through `sanitize::escape_html`.

mod ages;
pub mod findings;
mod head;
pub mod page;
mod rotations;
mod tiles;
mod users;

use super::model::Report;
use super::timeline::key_bars;
use crate::sanitize::escape_html_keeping_code as with_code;

pub fn render_html(report: &Report) -> String {
    let mut out = head::render_head(report);
    out.push_str("<main>\n");
    out.push_str(&tiles::render_tiles(report));
    // Before the findings: more of them may be missing
    out.push_str(&findings::render_faults(report));
    out.push_str(&findings::render_findings(report, "Findings", report.counted_findings()));
    out.push_str(&rotations::render_rotations(report));
    out.push_str(&ages::render_ages(&key_bars(report)));
    out.push_str(&users::render_users(report));
    let exempted = report.findings.iter().filter(|finding| finding.exempted.is_some());
    out.push_str(&findings::render_findings(report, "Exempt", exempted));
    out.push_str(&render_remarks(report));
    out.push_str("</main>\n");
    out.push_str(&head::render_script());
    out + "</body>\n</html>\n"
}

fn render_remarks(report: &Report) -> String {
    let skipped = report.skipped.iter().map(|s| format!("{} was not fully checked: {}", s.rule, s.reason));
    let items: String = skipped
        .chain(report.remarks.iter().cloned())
        .map(|text| format!("<li>{}</li>\n", with_code(&text)))
        .collect();
    if items.is_empty() { items } else { format!("<h2>What was not checked</h2>\n<ul>\n{items}</ul>\n") }
}
