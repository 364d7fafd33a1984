//! Parses comments that accept a finding: `keytide: allow plaintext-key -- the reason`.
//!
//! A comment applies to its own line, or to the next one if there is nothing else on its line. The reason is required.

use std::ops::Range;

use crate::diagnostic::Position;

/// The start of every such comment.
pub const ALLOW_MARKER: &str = concat!("keytide", ": allow ");
/// How many bytes of the line are read before and after the marker.
const MAX_CONTEXT: usize = 512;
/// How many rules of one comment count. No line has findings of more.
pub const MAX_COMMENT_RULES: usize = 8;
/// What may be before a comment that is alone on its line.
const COMMENT_SIGNS: &[u8] = b" \t#/*-;%\"'<!";

/// A comment that accepts findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowComment {
    pub at: Position,
    /// The line that it applies to.
    pub target_line: u32,
    /// The first [`MAX_COMMENT_RULES`] of those that it names.
    pub rules: Vec<String>,
    pub has_more_rules: bool,
    pub reason: Option<String>,
}

/// The bytes that are read for the marker at `offset`: not beyond the markers before and after it, which `neighbours` goes
/// from and to. A file can consist of markers.
pub fn comment_range(offset: usize, neighbours: Range<usize>) -> Range<usize> {
    neighbours.start.max(offset.saturating_sub(MAX_CONTEXT))..neighbours.end.min(offset + MAX_CONTEXT)
}

/// Parses the comment whose marker is at `offset`, out of its [`comment_range`]. Returns `None` when the marker is in
/// prose, without a comment sign before it.
pub fn parse_comment(bytes: &[u8], offset: usize, range: Range<usize>, at: Position) -> Option<AllowComment> {
    let head = &bytes[range.start..offset];
    let head = memchr::memrchr(b'\n', head).map_or(head, |end| &head[end + 1..]);
    let sign = head.trim_ascii_end().last();
    // Documentation quotes the marker, and must not accept findings.
    if !sign.is_none_or(|byte| b"#/*-;%\"'".contains(byte)) {
        return None;
    }
    let alone = head.iter().all(|byte| COMMENT_SIGNS.contains(byte));
    let tail = read_tail(bytes, offset + ALLOW_MARKER.len()..range.end);
    let tail = String::from_utf8_lossy(tail);
    let (rules, reason) = tail.split_once("--").map_or((tail.as_ref(), None), |(a, b)| (a, Some(b)));
    let mut names = trim_comment_end(rules).split([',', ' ']).filter(|rule| !rule.is_empty());
    let rules = names.by_ref().take(MAX_COMMENT_RULES).map(str::to_owned).collect();
    let has_more_rules = names.next().is_some();
    // `<!-- ... -->` without a reason: the `--` of its end is not the separator, and leaves a `>`.
    let reason = reason.map(trim_comment_end).filter(|reason| !reason.is_empty() && *reason != ">");
    let reason = reason.map(str::to_owned);
    Some(AllowComment { at, target_line: at.line + u32::from(alone), rules, has_more_rules, reason })
}

/// The rest of the line, up to the next marker and without the comment sign in front of that: it is no reason.
fn read_tail(bytes: &[u8], range: Range<usize>) -> &[u8] {
    let tail = &bytes[range.clone()];
    if let Some(end) = memchr::memchr(b'\n', tail) {
        return &tail[..end];
    }
    if !bytes[range.end..].starts_with(ALLOW_MARKER.as_bytes()) {
        return tail;
    }
    let end = tail.iter().rposition(|byte| !COMMENT_SIGNS.contains(byte)).map_or(0, |last| last + 1);
    &tail[..end]
}

/// Removes the end of a comment or of a string around it.
fn trim_comment_end(text: &str) -> &str {
    let text = text.trim();
    let ends = ["*/", "-->", "\",", "\"", "',", "'"];
    ends.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text).trim()
}

impl AllowComment {
    /// Whether it accepts findings of this rule on this line. Without a reason it accepts none.
    pub fn covers_finding(&self, rule: &str, line: u32) -> bool {
        self.target_line == line && self.reason.is_some() && self.rules.iter().any(|name| name == rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the comment whose marker is the first. `KEYTIDE` stands for the word itself, so that these lines are no
    /// comments of this file.
    fn parse(line: &str) -> Option<AllowComment> {
        let line = &line.replace("KEYTIDE", "keytide:");
        let mut markers = line.match_indices(ALLOW_MARKER).map(|(offset, _)| offset);
        let offset = markers.next()?;
        let range = comment_range(offset, 0..markers.next().unwrap_or(line.len()));
        parse_comment(line.as_bytes(), offset, range, Position { line: 3, column: 1 })
    }

    fn comment(line: &str) -> Option<(Vec<String>, Option<String>, bool)> {
        let comment = parse(line)?;
        Some((comment.rules, comment.reason, comment.target_line == 4))
    }

    #[test]
    fn a_comment_has_rules_and_a_reason() {
        let one = |alone| Some((vec!["plaintext-key".to_owned()], Some("a test".to_owned()), alone));
        assert_eq!(comment("key = x # KEYTIDE allow plaintext-key -- a test"), one(false));
        assert_eq!(comment("  // KEYTIDE allow plaintext-key -- a test\r"), one(true));
        assert_eq!(comment("<!-- KEYTIDE allow plaintext-key -- a test -->"), one(true));
        assert_eq!(comment("x /* KEYTIDE allow plaintext-key -- a test */"), one(false));
        assert_eq!(
            comment("\"//\": \"KEYTIDE allow plaintext-key -- a test\","),
            one(true).map(|_| (vec!["plaintext-key".into()], Some("a test".into()), false))
        );
    }

    #[test]
    fn a_reason_may_be_missing_and_prose_is_no_comment() {
        assert_eq!(
            comment("# KEYTIDE allow plaintext-key"),
            Some((vec!["plaintext-key".to_owned()], None, true))
        );
        assert_eq!(comment("<!-- KEYTIDE allow plaintext-key -->").unwrap().1, None);
        assert_eq!(comment("write `KEYTIDE allow plaintext-key -- reason` there"), None);
    }

    #[test]
    fn a_comment_ends_at_the_next_marker_and_after_a_few_rules() {
        for (line, rules, reason) in [
            ("x /* KEYTIDE allow a -- b */ /* KEYTIDE allow c -- d */", vec!["a"], Some("b")),
            ("x # KEYTIDE allow a # KEYTIDE allow c -- d", vec!["a"], None),
            ("x # KEYTIDE allow a -- # KEYTIDE allow c -- d", vec!["a"], None),
            ("<!-- KEYTIDE allow a --> <!-- KEYTIDE allow c -- d -->", vec!["a"], None),
            ("#KEYTIDE allow #KEYTIDE allow ", vec![], None),
        ] {
            let found = parse(line).unwrap();
            assert_eq!(
                (found.rules, found.reason.as_deref()),
                (rules.iter().map(|rule| (*rule).to_owned()).collect(), reason),
                "{line}"
            );
        }
        for (count, has_more_rules) in
            [(MAX_COMMENT_RULES, false), (MAX_COMMENT_RULES + 1, true), (200, true)]
        {
            let found = parse(&format!("# KEYTIDE allow {}-- b", "a,".repeat(count))).unwrap();
            assert_eq!(
                (found.rules.len(), found.has_more_rules),
                (MAX_COMMENT_RULES, has_more_rules),
                "{count}"
            );
        }
    }
}
