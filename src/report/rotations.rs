//! The rotations in a report: what a rotation command did for each user, or the phases that an audit has read.

use std::fmt::Write;

use super::model::Report;
use super::rotation_line::RotationLine;
use crate::dates::format_moment;
use crate::rotation::RotationPhase;
use crate::rotation::ids::shorten_commit;
use crate::sanitize::{escape_line, escape_markdown, escape_markdown_keeping_code};
use crate::sentences::count_noun;
use crate::sentences::{count_steps, join_steps, split_steps};
use crate::text_style::TextStyle;

/// One user's rotation, as all formats for people show it.
pub struct ShownRotation<'a> {
    pub user: &'a str,
    pub phase: RotationPhase,
    pub why: &'a str,
    pub pull_request: Option<u64>,
    details: Vec<(&'static str, String)>,
}

impl ShownRotation<'_> {
    /// Whether there is a detail of this kind.
    pub fn has(&self, word: &str) -> bool {
        self.details.iter().any(|(kind, _)| *kind == word)
    }

    /// How a kind of detail is called in a text.
    pub fn label(&self, word: &'static str) -> &'static str {
        let is_quiet = self.phase == RotationPhase::Healthy;
        if is_quiet && word == "not before" { "next rotation" } else { word }
    }

    /// The texts of one kind of detail, escaped for a table.
    pub fn cell(&self, word: &str, escape: fn(&str) -> String, separator: &str) -> String {
        let texts = self.details.iter().filter(|(kind, _)| *kind == word);
        let texts = texts.map(|(_, text)| join_steps(text, escape, "<br>"));
        texts.collect::<Vec<_>>().join(separator)
    }
}

/// The rotations of a report: of a rotation command all users, of an audit those with a rotation under way.
pub fn shown_rotations(report: &Report) -> Vec<ShownRotation<'_>> {
    if let Some(rotations) = &report.rotations {
        return rotations.iter().map(shown_rotation).collect();
    }
    let mut shown = Vec::new();
    for line in report.user_lines() {
        if let (Some(phase), Some(why)) = (line.phase, &line.rotation) {
            let texts = [
                ("next", &line.rotation_next),
                ("pull request", &line.pull_request_url),
                ("help", &line.rotation_help),
            ];
            let details = texts.into_iter().filter_map(|(word, text)| Some((word, text.clone()?)));
            shown.push(ShownRotation {
                user: &line.user.name,
                phase,
                why,
                pull_request: None,
                details: details.collect(),
            });
        }
    }
    shown
}

/// The same, first those that wait for a person.
pub fn rotations_worst_first(report: &Report) -> Vec<ShownRotation<'_>> {
    let mut rotations = shown_rotations(report);
    rotations.sort_by_key(|rotation| !rotation.phase.needs_person());
    rotations
}

fn shown_rotation(line: &RotationLine) -> ShownRotation<'_> {
    let mut details = Vec::new();
    for step in line.done.iter().filter(|step| !step.is_bookkeeping) {
        details.push(("done", step.text.clone()));
    }
    details.extend(line.keys.iter().map(|key| ("key", key.clone())));
    details.extend(line.next.iter().map(|step| ("next", step.clone())));
    details.extend(line.pull_request_url.iter().map(|url| ("pull request", url.clone())));
    details.extend(line.not_before.map(|at| ("not before", format_moment(at))));
    details.extend(line.help.iter().map(|help| ("help", help.clone())));
    for entry in line.history.iter().flatten().filter(|entry| !entry.is_bookkeeping) {
        // As the reason of a broken journal and `git log` name it
        let commit = shorten_commit(&entry.commit);
        details.push(("history", format!("{} {} [{commit}]", format_moment(entry.at), entry.text)));
    }
    ShownRotation {
        user: &line.user,
        phase: line.phase,
        why: &line.why,
        pull_request: line.pull_request,
        details,
    }
}

/// Whether a finding about a user's rotation has a text, and will be printed below.
fn is_in_finding(report: &Report, user: &str, text: &str) -> bool {
    let mut findings = report.findings.iter().filter(|finding| finding.rule == "stalled-rotation");
    findings.any(|finding| {
        let is_shown = finding.exempted.is_none() && finding.user.as_deref() == Some(user);
        is_shown && (finding.message.contains(text) || finding.help.contains(text))
    })
}

/// Says that a finding below has the reason, and how many steps there are.
fn refer_to_finding(report: &Report, rotation: &ShownRotation<'_>) -> String {
    let mut helps = rotation.details.iter().filter(|(word, _)| *word == "help");
    let help = helps.find(|(_, help)| is_in_finding(report, rotation.user, help));
    match help.map_or(0, |(_, help)| count_steps(help)) {
        0 => "see `stalled-rotation` below".to_owned(),
        steps => format!("see `stalled-rotation` below for the {}", count_noun(steps as i64, "step")),
    }
}

/// A few lines for each user. What a finding says below is not said twice.
pub fn render_text(report: &Report, style: TextStyle) -> String {
    let mut out = String::new();
    for rotation in shown_rotations(report) {
        let user = escape_line(rotation.user);
        let why = if is_in_finding(report, rotation.user, rotation.why) {
            refer_to_finding(report, &rotation)
        } else {
            escape_line(rotation.why)
        };
        let line = format!("{user} ({}): {why}", rotation.phase);
        let _ = writeln!(out, "{}", style.hang(4, &line).replacen(&user, &style.bold(&user), 1));
        for (word, text) in &rotation.details {
            if ["help", "pull request"].contains(word) && is_in_finding(report, rotation.user, text) {
                continue;
            }
            let label = format!("    {}: ", rotation.label(word));
            let lines = split_steps(text).into_iter().map(escape_line);
            let text = style.hang_lines(label.len(), lines);
            let _ = writeln!(out, "{}{text}", style.dim(&label));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// The address of a pull request as a link, if it has no character with a meaning in Markdown.
pub fn markdown_link(url: &str) -> String {
    match url.rsplit_once('/') {
        Some((_, number)) if url.chars().all(is_plain_in_markdown) => format!("[#{number}]({url})"),
        _ => escape_markdown(url),
    }
}

fn is_plain_in_markdown(c: char) -> bool {
    c.is_ascii_alphanumeric() || ":/.-_".contains(c)
}

/// The columns of the table for Markdown that may be empty: the kind of detail, its title, and how its texts are escaped.
type Column = (&'static str, &'static str, fn(&str) -> String);
const COLUMNS: [Column; 6] = [
    ("pull request", "pull request", markdown_link),
    ("key", "keys", escape_markdown),
    ("done", "done", escape_markdown_keeping_code),
    ("next", "next", escape_markdown_keeping_code),
    ("not before", "not before", str::to_owned),
    ("help", "what to do", escape_markdown_keeping_code),
];

/// A table for Markdown, without the columns that would be empty.
pub fn render_markdown(report: &Report) -> String {
    let rotations = rotations_worst_first(report);
    if rotations.is_empty() {
        return String::new();
    }
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    columns.retain(|(kind, ..)| rotations.iter().any(|rotation| rotation.has(kind)));
    let mut table = "### Rotations\n\n| user | phase | why |".to_owned();
    columns.iter().for_each(|(_, title, _)| table.push_str(&format!(" {title} |")));
    table.push_str("\n|---|---|---|");
    table.push_str(&"---|".repeat(columns.len()));
    table.push('\n');
    for rotation in &rotations {
        let (user, why) = (escape_markdown(rotation.user), escape_markdown_keeping_code(rotation.why));
        let _ = write!(table, "| {user} | {} | {why} |", rotation.phase);
        for (kind, _, escape) in &columns {
            let _ = write!(table, " {} |", rotation.cell(kind, *escape, "<br>"));
        }
        table.push('\n');
    }
    table.push('\n');
    table.push_str(&render_histories(&rotations));
    table
}

/// The history of each user, folded: it is long, and one who looks at a user wants it alone.
fn render_histories(rotations: &[ShownRotation<'_>]) -> String {
    let mut out = String::new();
    for rotation in rotations.iter().filter(|rotation| rotation.has("history")) {
        let _ = write!(
            out,
            "<details><summary>History of {}</summary>\n\n- {}\n</details>\n\n",
            escape_markdown(rotation.user),
            rotation.cell("history", escape_markdown_keeping_code, "\n- ")
        );
    }
    out
}
