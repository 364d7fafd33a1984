//! Parses comments that accept a finding: `keytide: allow plaintext-key -- the reason`.
//!
//! A comment applies to its own line, or to the next one if there is nothing else on its line. The reason is required.

use crate::diagnostic::Position;

/// The start of every such comment.
pub const ALLOW_MARKER: &str = concat!("keytide", ": allow ");
/// How many bytes of the line are read before and after the marker.
const MAX_CONTEXT: usize = 512;

/// A comment that accepts findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowComment {
    pub at: Position,
    /// The line that it applies to.
    pub target_line: u32,
    pub rules: Vec<String>,
    pub reason: Option<String>,
}

/// Parses the comment whose marker is at `offset`. Returns `None` when the marker is in prose, without a comment sign
/// before it.
pub fn parse_comment(bytes: &[u8], offset: usize, at: Position) -> Option<AllowComment> {
    let head = &bytes[offset.saturating_sub(MAX_CONTEXT)..offset];
    let head = memchr::memrchr(b'\n', head).map_or(head, |end| &head[end + 1..]);
    let sign = head.trim_ascii_end().last();
    // Documentation quotes the marker, and must not accept findings.
    if !sign.is_none_or(|byte| b"#/*-;%\"'".contains(byte)) {
        return None;
    }
    let alone = head.iter().all(|byte| b" \t#/*-;%\"'<!".contains(byte));
    let tail = &bytes[offset + ALLOW_MARKER.len()..bytes.len().min(offset + MAX_CONTEXT)];
    let tail = memchr::memchr(b'\n', tail).map_or(tail, |end| &tail[..end]);
    let tail = String::from_utf8_lossy(tail);
    let (rules, reason) = tail.split_once("--").map_or((tail.as_ref(), None), |(a, b)| (a, Some(b)));
    let rules = trim_comment_end(rules).split([',', ' ']).filter(|rule| !rule.is_empty());
    let rules = rules.map(str::to_owned).collect();
    // `<!-- ... -->` without a reason: the `--` of its end is not the separator, and leaves a `>`.
    let reason = reason.map(trim_comment_end).filter(|reason| !reason.is_empty() && *reason != ">");
    let reason = reason.map(str::to_owned);
    Some(AllowComment { at, target_line: at.line + u32::from(alone), rules, reason })
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

    /// `KEYTIDE` stands for the word itself, so that these lines are no comments of this file.
    fn comment(line: &str) -> Option<(Vec<String>, Option<String>, bool)> {
        let line = &line.replace("KEYTIDE", "keytide:");
        let offset = line.find(ALLOW_MARKER)?;
        let comment = parse_comment(line.as_bytes(), offset, Position { line: 3, column: 1 })?;
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
}
