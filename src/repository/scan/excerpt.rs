//! Makes the excerpt of a line for a finding: enough to find the place, without any part of a secret.

use crate::excerpt::LineExcerpt;
use crate::sanitize::{hide_possible_secrets, is_secret_part};

/// How many bytes of the line before the match are read, and how many characters are shown.
pub const READ_BYTES: usize = 400;
const SHOWN_CHARS: usize = 48;

/// Returns the line up to `at`, with long tokens that are not words hidden, and then `redacted`, which is marked.
pub fn redacted_excerpt(bytes: &[u8], at: usize, line_number: u32, redacted: &str) -> LineExcerpt {
    let from = at.saturating_sub(READ_BYTES);
    let line = memchr::memrchr(b'\n', &bytes[from..at]).map(|end| &bytes[from + end + 1..at]);
    let mut line = line.unwrap_or(&bytes[from..at]);
    // The start of the line is not in the excerpt: the first token may be the rest of a long one.
    if from > 0 && line.len() == at - from && line.first().is_some_and(|b| is_secret_part(*b)) {
        let cut = line.iter().take_while(|b| is_secret_part(**b)).count();
        line = &line[cut..];
    }
    let shown = hide_possible_secrets(&String::from_utf8_lossy(line));
    let skipped = shown.chars().count().saturating_sub(SHOWN_CHARS);
    let tail: String = shown.trim_start().chars().skip(skipped).collect();
    LineExcerpt::of_end(line_number, &tail, redacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_shown_and_nothing_long() {
        let line = b"x\n  awsSecretAccessKey: h8Kq+2vXnB5/TzLw9RfYc3JdPm7sGaQe1UoVx4Ni and HERE"; // keytide: allow plaintext-key -- made up for this test
        assert_eq!(redacted_excerpt(line, line.len() - 4, 2, "…").text, "awsSecretAccessKey: … and …");
    }

    #[test]
    fn a_token_that_is_cut_is_not_shown() {
        let line = format!("{} HERE", "h8Kq+2vXnB5".repeat(60));
        assert_eq!(redacted_excerpt(line.as_bytes(), line.len() - 4, 1, "…").text, "…".to_owned());
    }
}
