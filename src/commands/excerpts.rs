//! Adds the line of the file to each finding of a check that has a place in one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::Position;
use crate::excerpt::LineExcerpt;
use crate::repository::{FileContent, Scanner, scan_file};
use crate::rules::Finding;
use crate::sanitize;

/// A longer line is not text for people.
const MAX_LINE_BYTES: usize = 1_000;

/// Adds the lines. `read` opens a file by the name that findings have for it.
pub fn add_excerpts(findings: &mut [Finding], read: &dyn Fn(&Path) -> FileContent) {
    let scanner = Scanner::new();
    let mut known: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for finding in findings.iter_mut().filter(|finding| finding.excerpt.is_none()) {
        // The start stands for the whole file.
        if finding.location.at == Position::START {
            continue;
        }
        let (file, at) = (&finding.location.file, finding.location.at);
        let lines = known.entry(file.clone()).or_insert_with(|| match read(Path::new(file)) {
            FileContent::Bytes(bytes) => presentable_lines(&scanner, file, &bytes),
            FileContent::Absent | FileContent::Unreadable(_) => Vec::new(),
        });
        let line = lines.get(at.line as usize - 1).cloned().flatten();
        finding.excerpt = line.map(|line| LineExcerpt::of_value(at, &line));
    }
}

/// The lines of a text that may be shown: none that contains a secret access key, and possible secrets are covered.
fn presentable_lines(scanner: &Scanner, file: &str, bytes: &[u8]) -> Vec<Option<String>> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_text = line.len() <= MAX_LINE_BYTES && !line.trim().is_empty();
        lines.push(is_text.then(|| sanitize::cover_possible_secrets(line)));
    }
    for found in scan_file(scanner, file, bytes).matches {
        if let Some(line) = lines.get_mut(found.at.line as usize - 1).filter(|_| found.material.is_secret()) {
            *line = None;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_with_a_secret_is_shown() {
        // In pieces: the scanner reads this file too.
        let secret = ["h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni"].concat();
        let text = format!("name: ci\naws_secret_access_key = {secret}\n\ntoken: 0123456789abcdef0123\n");
        let lines = presentable_lines(&Scanner::new(), "a.env", text.as_bytes());
        let token = format!("token: {}", "*".repeat(20));
        assert_eq!(lines, [Some("name: ci".to_owned()), None, None, Some(token)]);
    }
}
