//! Runs of the characters that secret access keys are made of, also as URLs and JSON escape them.

/// How many bytes of numbers the escape of a colour has at most, and how far back any escape begins.
const MAX_COLOUR_LENGTH: usize = 12;
const MAX_ESCAPE_LENGTH: usize = MAX_COLOUR_LENGTH + 8;

/// A run of token characters, escapes undone, with a bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRun {
    pub start: usize,
    pub end: usize,
    pub bytes: Vec<u8>,
}

impl TokenRun {
    /// Longer runs are of no interest.
    pub const MAX_LENGTH: usize = 88;

    /// The run that begins at `start`; empty when there is none.
    pub fn read_at(bytes: &[u8], start: usize) -> Self {
        let mut run = Self { start, end: start, bytes: Vec::new() };
        while let Some((symbol, length)) =
            decode_symbol(bytes, run.end).filter(|_| run.bytes.len() < Self::MAX_LENGTH)
        {
            run.end += length;
            run.bytes.push(symbol);
        }
        run.drop_escape(bytes);
        run
    }

    /// Takes away what belongs to an escape before the run: the `n` of `\n`, the `3D` of `%3D`.
    fn drop_escape(&mut self, bytes: &[u8]) {
        let tail = escape_tail(&bytes[..self.start], &self.bytes);
        self.start += tail;
        self.bytes.drain(..tail);
    }
}

/// One token character at a place, and how many bytes write it.
fn decode_symbol(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match *bytes.get(at)? {
        byte if is_token(byte) => Some((byte, 1)),
        b'\\' if bytes.get(at + 1) == Some(&b'/') => Some((b'/', 2)),
        b'\\' => match bytes.get(at + 1..at + 6)? {
            b"u002F" | b"u002f" => Some((b'/', 6)),
            b"u002B" | b"u002b" => Some((b'+', 6)),
            _ => None,
        },
        b'%' => match bytes.get(at + 1..at + 3)? {
            b"2F" | b"2f" => Some((b'/', 3)),
            b"2B" | b"2b" => Some((b'+', 3)),
            _ => None,
        },
        _ => None,
    }
}

/// How many of the first characters of `run` end an escape that begins before it.
fn escape_tail(before: &[u8], run: &[u8]) -> usize {
    let hex = |n: usize| run.len() > n && run[..n].iter().all(u8::is_ascii_hexdigit);
    match (before.last(), run.first()) {
        (Some(b'\\'), Some(b'n' | b'r' | b't')) => 1,
        (Some(b'\\'), Some(b'u')) if run.len() > 5 && run[1..5].iter().all(u8::is_ascii_hexdigit) => 5,
        (Some(b'\\'), Some(b'x')) if run.len() > 3 && run[1..3].iter().all(u8::is_ascii_hexdigit) => 3,
        (Some(b'%'), _) if hex(2) => 2,
        _ => colour_tail(before, run),
    }
}

/// The same for the escape that colours a terminal's text: `ESC [ 1 ; 33 m`, the first also spelt out in logs.
fn colour_tail(before: &[u8], run: &[u8]) -> usize {
    let digits = run.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let numbers =
        before.iter().rev().take(MAX_COLOUR_LENGTH).take_while(|b| b.is_ascii_digit() || **b == b';').count();
    let Some(start) = before[..before.len() - numbers].strip_suffix(b"[") else { return 0 };
    let escape = [b"\x1b".as_slice(), b"\\x1b", b"\\u001b", b"\\033", b"\\e", b"^["];
    let ends = run.get(digits) == Some(&b'm') && escape.iter().any(|escape| start.ends_with(escape));
    if ends { digits + 1 } else { 0 }
}

/// Whether a word may begin at `at`: no letter, digit or underscore stands before it, unless it ends an escape.
pub fn is_word_start(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(MAX_ESCAPE_LENGTH)..at];
    let Some(&last) = before.last() else { return true };
    if !is_word(last) {
        return true;
    }
    let tail = before.iter().rev().take_while(|byte| is_word(**byte)).count();
    let (outside, tail) = before.split_at(before.len() - tail);
    // The whole tail must be the escape; one byte more stands for the word that begins here.
    let probe: Vec<u8> = tail.iter().copied().chain([b'.']).collect();
    escape_tail(outside, &probe) == tail.len() && !tail.is_empty()
}

/// Whether a word may end before `at`.
pub fn is_word_end(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !is_word(*byte))
}

/// Letters, digits, `+` and `/`: the characters of a secret access key and of Base64 (RFC 4648, section 4).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, at: usize) -> String {
        String::from_utf8(TokenRun::read_at(text.as_bytes(), at).bytes).unwrap()
    }

    #[test]
    fn escapes_are_undone_within_a_run_and_left_out_before_it() {
        assert_eq!(run("ab%2Fc\\/d%2b=", 0), "ab/c/d+");
        assert_eq!(run("\\u002Bab\\u002fc\\u0022", 0), "+ab/c");
        assert_eq!(run("\x1b[1;33mabc\x1b[0m", 5), "abc");
        assert_eq!(run("\\nabc", 1), "abc");
        assert_eq!(run("%3Dabc", 1), "abc");
        assert_eq!(run("\\u003dabc", 1), "abc");
    }

    #[test]
    fn a_word_begins_after_an_escape_but_not_within_a_word() {
        for (text, expected) in [
            ("\\nX", true),
            ("xnX", false),
            ("%3DX", true),
            ("\\u003dX", true),
            ("_X", false),
            (":X", true),
            ("X", true),
            ("3DX", false),
            ("\x1b[33mX", true),
            ("\\u001b[0;1mX", true),
            ("a[33mX", false),
        ] {
            assert_eq!(is_word_start(text.as_bytes(), text.len() - 1), expected, "{text}");
        }
    }
}
