//! The counts at the top of the page.

use std::fmt::Write;

use crate::dates::format_day;
use crate::report::keys::is_overdue;
use crate::report::model::Report;
use crate::report::user_index::UserIndex;
use crate::sanitize::escape_html as clean;
use crate::sentences::count_noun;

struct Tile {
    number: String,
    text: String,
    class: &'static str,
}

pub fn render_tiles(report: &Report) -> String {
    let mut out = "<ul class=\"tiles\">\n".to_owned();
    for tile in list_tiles(report) {
        let _ = writeln!(out, "<li><b class=\"{}\">{}</b> {}</li>", tile.class, tile.number, tile.text);
    }
    out + "</ul>\n"
}

fn list_tiles(report: &Report) -> Vec<Tile> {
    let summary = report.summarize();
    let mut tiles = Vec::new();
    if report.account.is_some() {
        tiles.push(count_tile(summary.users, "user", "plain"));
        tiles.push(count_tile(summary.keys, "key", "plain"));
    }
    if let Some(scanned) = &report.scanned {
        tiles.push(count_tile(scanned.files, "file", "plain"));
    }
    tiles.push(count_tile(summary.errors, "error", "error"));
    tiles.push(count_tile(summary.warnings, "warning", "warning"));
    if summary.notes > 0 {
        tiles.push(count_tile(summary.notes, "note", "note"));
    }
    tiles.push(Tile { text: "exempt".to_owned(), ..count_tile(summary.exempted, "", "dim") });
    if !report.faults.is_empty() {
        tiles.push(Tile { text: "not read".to_owned(), ..count_tile(report.faults.len(), "", "error") });
    }
    tiles.extend(overdue_tile(report));
    tiles.extend(due_tile(report));
    tiles
}

fn count_tile(number: usize, noun: &str, class: &'static str) -> Tile {
    let words = count_noun(number as i64, noun);
    let text = words.split_once(' ').map_or("", |(_, noun)| noun).to_owned();
    Tile { number: number.to_string(), text, class: if number == 0 { "dim" } else { class } }
}

/// How many users have a key that is too old.
fn overdue_tile(report: &Report) -> Option<Tile> {
    let index = UserIndex::from_report(report);
    let overdue = report.user_lines().filter(|line| is_overdue(&index, line)).count();
    if overdue == 0 {
        None
    } else {
        // Fewer than the findings of `key-age`, where a user has two keys
        let tile = count_tile(overdue, "user", "error");
        Some(Tile { text: format!("{} overdue", tile.text), ..tile })
    }
}

/// The next key that becomes due, with its user.
fn due_tile(report: &Report) -> Option<Tile> {
    report.account.as_ref()?;
    let due: Vec<&str> =
        report.user_lines().filter(|line| line.is_due_now()).map(|line| line.user.name.as_str()).collect();
    if let [first, more @ ..] = &due[..] {
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let text = format!("due now: {}{more}", clean(first));
        return Some(Tile { text, ..count_tile(due.len(), "", "warning") });
    }
    let next = report.user_lines().filter_map(|line| Some((line.next_due?, &line.user.name))).min();
    let (at, user) = next?;
    Some(Tile { number: format_day(at), text: format!("next due: {}", clean(user)), class: "plain" })
}
