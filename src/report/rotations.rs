//! What was done about the users' keys, for people.

use std::fmt::Write;

use super::{Report, RotationLine};
use crate::sanitize::{escape_line as plain, escape_markdown};

/// A few lines for each user.
pub fn render_text(report: &Report) -> String {
    let mut out = String::new();
    for rotation in report.rotations.iter().flatten() {
        let _ = writeln!(out, "{}: {}: {}", plain(&rotation.user), rotation.phase, plain(&rotation.why));
        for (word, said) in rotation_details(rotation) {
            let _ = writeln!(out, "    {word}: {}", plain(&said));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A table.
pub fn render_table(report: &Report) -> String {
    let mut rows = String::new();
    for rotation in report.rotations.iter().flatten() {
        let words = rotation_details(rotation);
        let said = |wanted: &str| {
            let found: Vec<String> = words
                .iter()
                .filter(|(word, _)| *word == wanted)
                .map(|(_, said)| escape_markdown(said))
                .collect();
            found.join("; ")
        };
        let _ = writeln!(
            rows,
            "| {} | {} | {} | {} | {} | {} |",
            escape_markdown(&rotation.user),
            rotation.phase,
            escape_markdown(&rotation.why),
            said("done"),
            said("not before"),
            said("help")
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "### Rotations\n\n| user | phase | why | done | not before | what to do |\n|---|---|---|---|---|---|\n{rows}\n"
    )
}

fn rotation_details(rotation: &RotationLine) -> Vec<(&'static str, String)> {
    let mut words: Vec<(&str, String)> = rotation.done.iter().map(|step| ("done", step.clone())).collect();
    words.extend(rotation.next.iter().map(|step| ("next", step.clone())));
    words.extend(rotation.not_before.map(|at| ("not before", at.to_string())));
    words.extend(rotation.help.iter().map(|help| ("help", help.clone())));
    words
}
