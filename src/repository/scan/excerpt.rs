//! Makes the excerpt of a line for a finding: enough to find the place, without any part of a secret.

use super::tokens::is_token;

/// How many bytes of the line before the match are read, and how many characters are shown.
pub const READ_BYTES: usize = 400;
const SHOWN_CHARS: usize = 48;
/// A token of this length may be a secret and is hidden, unless it consists of words.
const LONG_TOKEN: usize = 16;

/// Returns the line up to `at`, with long tokens that are not words hidden, and then `redacted`.
pub fn redacted_excerpt(bytes: &[u8], at: usize, redacted: &str) -> String {
    let from = at.saturating_sub(READ_BYTES);
    let line = memchr::memrchr(b'\n', &bytes[from..at]).map(|end| &bytes[from + end + 1..at]);
    let mut line = line.unwrap_or(&bytes[from..at]);
    // The start of the line is not in the excerpt: the first token may be the rest of a long one.
    if from > 0 && line.len() == at - from && line.first().is_some_and(|b| is_part(*b)) {
        let cut = line.iter().take_while(|b| is_part(**b)).count();
        line = &line[cut..];
    }
    let shown = hide_long_tokens(line);
    let skipped = shown.chars().count().saturating_sub(SHOWN_CHARS);
    let tail: String = shown.trim_start().chars().skip(skipped).collect();
    format!("{tail}{redacted}")
}

/// Replaces every long token that does not consist of words by `…`.
fn hide_long_tokens(line: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.first() {
        let same = is_part(*first);
        let length = rest.iter().take_while(|b| is_part(**b) == same).count();
        let (piece, after) = rest.split_at(length);
        if same && length >= LONG_TOKEN && !is_words(piece) {
            out.push('…');
        } else {
            out.push_str(&String::from_utf8_lossy(piece));
        }
        rest = after;
    }
    out
}

/// Whether a secret may contain the byte, also in an escaped form.
fn is_part(byte: u8) -> bool {
    is_token(byte) || matches!(byte, b'=' | b'%' | b'\\' | b'&' | b'#' | b';' | b'{' | b'}')
}

/// Whether a token is made of words, such as `awsSecretAccessKey`: letters whose case seldom changes.
fn is_words(piece: &[u8]) -> bool {
    let changes = piece.windows(2).filter(|p| p[0].is_ascii_uppercase() != p[1].is_ascii_uppercase()).count();
    let lower = piece.iter().filter(|b| b.is_ascii_lowercase()).count();
    let name = piece.strip_suffix(b"=").unwrap_or(piece);
    name.iter().all(u8::is_ascii_alphabetic) && name.len() <= 32 && changes <= 7 && lower >= name.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_shown_and_nothing_long() {
        let line = b"x\n  awsSecretAccessKey: h8Kq+2vXnB5/TzLw9RfYc3JdPm7sGaQe1UoVx4Ni and HERE"; // keytide: allow plaintext-key -- made up for this test
        assert_eq!(redacted_excerpt(line, line.len() - 4, "…"), "awsSecretAccessKey: … and …");
    }

    #[test]
    fn a_token_that_is_cut_is_not_shown() {
        let line = format!("{} HERE", "h8Kq+2vXnB5".repeat(60));
        assert_eq!(redacted_excerpt(line.as_bytes(), line.len() - 4, "…"), "…".to_owned());
    }
}
