//! Parses comments that accept a finding: `keytide: allow plaintext-key -- the reason`.
//!
//! A comment applies to its own line, or to the next one if there is nothing else on its line. The reason is required. It
//! is shown in reports, so what may be a secret in it is hidden here, where it enters.

use std::ops::Range;

use crate::diagnostic::Position;
use crate::sanitize::{hide_possible_secrets, is_secret_part};

/// The start of every such comment.
pub const ALLOW_MARKER: &str = concat!("keytide", ": allow ");
/// How many bytes of the line are read before and after the marker.
const MAX_CONTEXT: usize = 512;
/// How many rules of one comment count. No line has findings of more.
pub const MAX_COMMENT_RULES: usize = 8;
/// What may be before a comment that is alone on its line.
const COMMENT_SIGNS: &[u8] = b" \t#/*-;%\"'<!";
/// What ends a comment, or the string that it is in, before its line ends.
const COMMENT_ENDS: &str = "*/ --> --!> --%> %> %} #} -} ?> *) |# \", \"} \") \"] \"; ', '} ') '] ';";
/// What other programs than Git take for the end of a line.
const LINE_ENDS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
/// Files of JSON, which has no comments.
const JSON_ENDINGS: &str = "json jsonl ndjson geojson ipynb har sarif tfstate webmanifest";

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
    /// Whether some programs take its line, or that which it applies to, for two: it accepts nothing.
    pub has_divided_line: bool,
}

/// Whether a file of this name can have comments. What looks like one in JSON is a text.
pub fn has_comments(file: &str) -> bool {
    let ending = file.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    !JSON_ENDINGS.split(' ').any(|json| ending.eq_ignore_ascii_case(json))
}

/// The bytes that are read for the marker at `offset`: not beyond the markers before and after it, which `neighbours` goes
/// from and to. A file can consist of markers.
pub fn comment_range(offset: usize, neighbours: Range<usize>) -> Range<usize> {
    neighbours.start.max(offset.saturating_sub(MAX_CONTEXT))..neighbours.end.min(offset + MAX_CONTEXT)
}

/// Whether some programs take a line for two: a file can consist of one, with nothing but carriage returns.
pub fn is_divided(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).trim().contains(LINE_ENDS)
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
    let tail = String::from_utf8_lossy(read_tail(bytes, offset + ALLOW_MARKER.len()..range.end));
    let tail = hide_possible_secrets(cut_at_comment_end(&tail));
    let (rules, reason) = tail.split_once("--").map_or((&*tail, None), |(a, b)| (a, Some(b)));
    let mut names = trim_quote(rules).split([',', ' ']).filter(|rule| !rule.is_empty());
    let rules = names.by_ref().take(MAX_COMMENT_RULES).map(str::to_owned).collect();
    let has_more_rules = names.next().is_some();
    let reason = reason.map(trim_quote).filter(|reason| !reason.is_empty()).map(str::to_owned);
    let target_line = at.line + u32::from(alone);
    Some(AllowComment { at, target_line, rules, has_more_rules, reason, has_divided_line: false })
}

/// The rest of the line. It ends before the next marker and the comment sign in front of that, which are no reason. Where
/// only a part of the line is read, it ends with a whole word: the beginning of a secret would be too short to be hidden.
fn read_tail(bytes: &[u8], range: Range<usize>) -> &[u8] {
    let tail = &bytes[range.clone()];
    if let Some(end) = memchr::memchr(b'\n', tail) {
        return &tail[..end];
    }
    let rest = &bytes[range.end..];
    let is_at_marker = rest.starts_with(ALLOW_MARKER.as_bytes());
    if rest.is_empty() {
        return tail;
    }
    let is_left_out =
        |byte: &u8| if is_at_marker { COMMENT_SIGNS.contains(byte) } else { is_secret_part(*byte) };
    let end = tail.iter().rposition(|byte| !is_left_out(byte)).map_or(0, |last| last + 1);
    &tail[..end]
}

/// The part of a line that belongs to the comment.
fn cut_at_comment_end(tail: &str) -> &str {
    let ends = COMMENT_ENDS.split(' ').filter_map(|end| tail.find(end)).chain(tail.find(LINE_ENDS));
    &tail[..ends.min().unwrap_or(tail.len())]
}

/// Removes blanks, and the quote at the end of a line that is a string.
fn trim_quote(text: &str) -> &str {
    text.trim().trim_end_matches(['"', '\'']).trim()
}

impl AllowComment {
    /// Whether it accepts findings of this rule on this line. Without a reason it accepts none.
    pub fn covers_finding(&self, rule: &str, line: u32) -> bool {
        self.target_line == line
            && self.reason.is_some()
            && !self.has_divided_line
            && self.rules.iter().any(|name| name == rule)
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

    /// In pieces: the scanner reads this file too.
    fn secret() -> String {
        ["h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni"].concat()
    }

    #[test]
    fn a_reason_ends_with_its_comment_or_string() {
        for ends in [
            COMMENT_ENDS.split(' ').map(str::to_owned).collect::<Vec<_>>(),
            LINE_ENDS.map(String::from).to_vec(),
        ] {
            for end in ends {
                let line = format!("x /* KEYTIDE allow plaintext-key -- a test {end} \"key\", more");
                assert_eq!(parse(&line).unwrap().reason.as_deref(), Some("a test"), "{end:?}");
                let line = format!("x /* KEYTIDE allow plaintext-key {end} -- more");
                assert_eq!(comment(&line).unwrap().1, None, "{end:?}");
            }
        }
        assert_eq!(
            parse("# KEYTIDE allow a -- the \"old\" key, see docs").unwrap().reason.as_deref(),
            Some("the \"old\" key, see docs")
        );
    }

    #[test]
    fn no_secret_is_in_a_reason_nor_in_the_name_of_a_rule() {
        let secret = secret();
        for (text, reason) in [
            (format!("was {secret}"), "was …"),
            (format!("was {}", &secret[..30]), "was …"),
            (format!("was {}", &secret[10..]), "was …"),
            (format!("see https://ci:{}@host/x, please", &secret[..9]), "see https://…@host/x, please"),
        ] {
            let found = parse(&format!("k # KEYTIDE allow plaintext-key -- {text}")).unwrap();
            assert_eq!(found.reason.as_deref(), Some(reason));
        }
        assert_eq!(parse(&format!("k # KEYTIDE allow {secret} -- x")).unwrap().rules, ["…"]);
    }

    #[test]
    fn a_long_reason_ends_with_a_whole_word() {
        for length in 440..520 {
            let line = format!("k # KEYTIDE allow a -- {} {} more", "x ".repeat(length / 2), secret());
            let reason = parse(&line).unwrap().reason.unwrap();
            assert!(
                reason.trim_end_matches(" more").trim_end_matches('…').bytes().all(|b| b"x ".contains(&b)),
                "{reason}"
            );
        }
    }

    #[test]
    fn json_has_no_comments() {
        for (file, has) in
            [("a.JSON", false), ("b/n.ipynb", false), ("a.jsonc", true), ("a.json5", true), ("json", true)]
        {
            assert_eq!(has_comments(file), has, "{file}");
        }
    }

    #[test]
    fn a_line_that_ends_as_usual_is_not_divided() {
        for (line, divided) in
            [("a\r\n", false), ("\u{c}\n", false), ("a\r\r\n", false), ("a\rb\n", true), ("a\u{2028}b", true)]
        {
            assert_eq!(is_divided(line.as_bytes()), divided, "{line:?}");
        }
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
