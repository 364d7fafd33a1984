//! Escapes text for terminals and logs.

/// One line for a terminal or a log: every character that moves the cursor, hides or reorders text becomes a
/// visible escape such as `\u{1b}`.
pub fn escape_line(text: &str) -> String {
    escape_characters(text, is_harmful, |c, out| out.extend(c.escape_unicode()))
}

/// Several lines for a terminal: as [`escape_line`], but line feeds stay.
pub fn escape_lines(text: &str) -> String {
    escape_characters(text, |c| c != '\n' && is_harmful(c), |c, out| out.extend(c.escape_unicode()))
}

/// Passes the characters that `is_escaped` selects to `escape`, which writes something else in their place. What is
/// between them is copied as a whole: a report of many users is a megabyte.
pub fn escape_characters(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (at, found) in text.match_indices(&is_escaped) {
        out.push_str(&text[copied..at]);
        found.chars().for_each(|c| escape(c, &mut out));
        copied = at + found.len();
    }
    out.push_str(&text[copied..]);
    out
}

/// Control characters, line and paragraph separators, bidirectional controls and invisible characters.
pub fn is_harmful(c: char) -> bool {
    // Nearly every character, and the quickest to compare
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        // Unicode's `Default_Ignorable_Code_Point`, without the variation selectors of emoji
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sees_no_escape_sequence_and_no_second_line() {
        assert_eq!(escape_line("a\u{1b}[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
        assert_eq!(escape_lines("a\nb\r"), "a\nb\\u{d}");
        for invisible in ["\u{3164}", "\u{115f}", "\u{1160}", "\u{ffa0}", "\u{34f}", "\u{17b4}", "\u{e0100}"]
        {
            assert!(escape_line(invisible).starts_with("\\u{"), "{invisible:?}");
        }
        assert_eq!(escape_line("\u{2764}\u{fe0f} \u{c4}"), "\u{2764}\u{fe0f} \u{c4}");
    }
}
