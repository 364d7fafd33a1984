//! Finds and replaces the part of an issue's body that keytide writes. It is between two marks, and every byte outside of
//! them belongs to people.

use std::ops::Range;

use crate::hash::sha256_hex;

/// How many hexadecimal digits name the policy file in a mark.
const DIGITS: usize = 16;
const STATE_BEGIN: &str = "<!-- keytide:state ";
const STATE_END: &str = " -->";

/// The marks of one policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionMarks {
    begin: String,
    end: String,
}

impl SectionMarks {
    /// The marks for a policy file, by its path from the repository's root.
    pub fn for_policy(path: &str) -> Self {
        let mut digits = sha256_hex(path.as_bytes());
        digits.truncate(DIGITS);
        Self {
            begin: format!("<!-- keytide:begin {digits} -->"),
            end: format!("<!-- keytide:end {digits} -->"),
        }
    }

    /// Whether a body is that of the issue of this policy file.
    pub fn are_in(&self, body: &str) -> bool {
        self.find_begin(body).is_some()
    }

    /// Where the last first mark is. One in a quotation or in a block of code is a person's, who shows what keytide wrote.
    fn find_begin(&self, body: &str) -> Option<usize> {
        let (mut offset, mut found, mut last, mut is_code) = (0, None, None, false);
        for line in body.split_inclusive('\n') {
            is_code ^= line.starts_with("```") || line.starts_with("~~~");
            if line.starts_with(&self.begin) {
                last = Some(offset);
                found = if is_code { found } else { last };
            }
            offset += line.len();
        }
        // A block that does not end is a slip in the text of a person's, and the marks behind it are keytide's
        if is_code { last } else { found }
    }

    /// The part between the marks, with them. A first mark that has lost its end is text of a person's.
    fn find(&self, body: &str) -> Option<Range<usize>> {
        let begin = self.find_begin(body)?;
        let length = body[begin..].find(&self.end)?;
        Some(begin..begin + length + self.end.len())
    }

    /// The state that the part between the marks holds, still encoded.
    pub fn find_state<'b>(&self, body: &'b str) -> Option<&'b str> {
        let section = &body[self.find(body)?];
        // The last one: the text before it quotes names from outside, and these cannot hold a comment.
        let begin = section.rfind(STATE_BEGIN)? + STATE_BEGIN.len();
        let length = section[begin..].find(STATE_END)?;
        Some(&section[begin..begin + length])
    }

    /// How many characters of a body are outside of the marks.
    pub fn count_outside(&self, body: &str) -> usize {
        let inside = self.find(body).map_or(0, |range| body[range].chars().count());
        body.chars().count() - inside
    }

    /// Puts text and state between the marks.
    pub fn wrap(&self, text: &str, state: &str) -> String {
        format!("{}\n{text}\n{STATE_BEGIN}{state}{STATE_END}\n{}", self.begin, self.end)
    }

    /// Replaces the part between the marks; without such a part, the new one comes behind the text.
    pub fn replace(&self, body: &str, section: &str) -> String {
        match self.find(body) {
            Some(range) => format!("{}{section}{}", &body[..range.start], &body[range.end..]),
            None if body.is_empty() => section.to_owned(),
            None => format!("{body}\n\n{section}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_outside_of_the_marks_stays() {
        let marks = SectionMarks::for_policy(".github/keytide.yml");
        let (first, second) = (marks.wrap("one", "abc"), marks.wrap("two", "def"));
        for (before, after) in [("", ""), ("# Notes\r\n\r\n", "\r\n\t- [ ] ask Bob \u{200b}\n"), ("\n", "é")]
        {
            let body = format!("{before}{first}{after}");
            assert_eq!(marks.find_state(&body), Some("abc"));
            assert_eq!(marks.replace(&body, &second), format!("{before}{second}{after}"));
            assert_eq!(marks.count_outside(&body), (before.to_owned() + after).chars().count());
        }
    }

    #[test]
    fn a_mark_without_its_end_is_text() {
        let marks = SectionMarks::for_policy("a");
        let (begin, section) = (marks.begin.clone(), marks.wrap("x", "abc"));
        let torn = format!("{begin}\nhalf");
        assert!(marks.are_in(&torn) && marks.find_state(&torn).is_none());
        let mended = marks.replace(&torn, &section);
        assert_eq!(mended, format!("{torn}\n\n{section}"));
        assert_eq!(marks.find_state(&mended), Some("abc"));
        assert_eq!(marks.replace(&mended, &section), mended);
        // An end before its beginning does not count either.
        let turned = format!("{}{begin}", marks.end);
        assert_eq!(marks.replace(&turned, &section), format!("{turned}\n\n{section}"));
    }

    #[test]
    fn a_quoted_mark_is_text() {
        let marks = SectionMarks::for_policy("a");
        let section = marks.wrap("x", "abc");
        for quoted in [
            format!("why?\n\n```html\n{section}\n```\n"),
            format!("~~~\n{section}\n~~~"),
            format!("> {}", section.replace('\n', "\n> ")),
            format!("It begins with `{}`.", marks.begin),
        ] {
            assert!(!marks.are_in(&quoted), "{quoted}");
            assert!(marks.are_in(&format!("```\nnot closed\n{section}")));
            let both = marks.replace(&quoted, &section);
            assert_eq!(both, format!("{quoted}\n\n{section}"));
            assert_eq!(marks.replace(&format!("{both}\n{quoted}"), &section), format!("{both}\n{quoted}"));
        }
    }

    #[test]
    fn another_policy_file_has_other_marks() {
        let (a, b) = (SectionMarks::for_policy("a"), SectionMarks::for_policy("b"));
        assert!(!b.are_in(&a.wrap("", "")));
    }
}
