//! Reads tokens: runs of the characters of a secret access key, also as URLs and JSON escape them. It also decides where
//! a word starts and ends, next to escape sequences.

/// The most bytes of numbers in a colour escape, and how far before a token an escape may start.
const MAX_COLOUR_LENGTH: usize = 12;
const MAX_ESCAPE_LENGTH: usize = MAX_COLOUR_LENGTH + 8;
/// The most bytes of an escape that says how deeply texts are nested.
const MAX_NESTING: usize = 16;

/// A run of at most [`TokenRun::MAX_LENGTH`] token characters, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRun {
    pub start: usize,
    pub end: usize,
    pub bytes: Vec<u8>,
}

impl TokenRun {
    /// A longer run cannot be a secret access key or its Base64.
    pub const MAX_LENGTH: usize = 88;

    /// Reads the run that starts at `start`; it is empty if there is none.
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

    /// Drops the first characters when they end an escape: the `n` of `\n`, the `3D` of `%3D`.
    fn drop_escape(&mut self, bytes: &[u8]) {
        let tail = escape_tail(&bytes[..self.start], &self.bytes);
        self.start += tail;
        self.bytes.drain(..tail);
    }
}

/// Returns the token character at a position, and how many bytes it takes. The slash and the plus sign are also read as
/// JSON, URLs, HTML and source code escape them, and as these escape each other.
fn decode_symbol(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let (symbol, length) = match *rest.first()? {
        byte if is_token(byte) => (byte, 1),
        b'\\' => decode_backslashes(rest)?,
        b'%' => decode_percent(rest)?,
        b'&' => decode_entity(rest)?,
        _ => return None,
    };
    Some((symbol, length))
}

/// `\/`, `\u002F`, `\u{2f}`, `\x2F` or `\057`, with more backslashes where texts are nested.
fn decode_backslashes(rest: &[u8]) -> Option<(u8, usize)> {
    let count = rest.iter().take(MAX_NESTING).take_while(|byte| **byte == b'\\').count();
    let code = rest.get(count..)?;
    let forms = [
        ("/", b'/'),
        ("+", b'+'),
        ("u002f", b'/'),
        ("u002b", b'+'),
        ("u{2f}", b'/'),
        ("u{2b}", b'+'),
        ("x2f", b'/'),
        ("x2b", b'+'),
        ("057", b'/'),
        ("053", b'+'),
    ];
    let (form, symbol) = forms.iter().find(|(form, _)| starts_with_text(code, form))?;
    Some((*symbol, count + form.len()))
}

/// `%2F`, or `%252F` where a URL is in a URL.
fn decode_percent(rest: &[u8]) -> Option<(u8, usize)> {
    let mut at = 1;
    while at < MAX_NESTING && starts_with_text(&rest[at..], "25") {
        at += 2;
    }
    let symbol = match rest.get(at..at + 2)? {
        b"2F" | b"2f" => b'/',
        b"2B" | b"2b" => b'+',
        _ => return None,
    };
    Some((symbol, at + 2))
}

/// `&#x2F;`, `&#47;` or `&sol;`, with `&amp;` in place of `&` where texts are nested.
fn decode_entity(rest: &[u8]) -> Option<(u8, usize)> {
    let mut at = 1;
    while at < MAX_NESTING && starts_with_text(&rest[at..], "amp;") {
        at += 4;
    }
    let end = at + memchr::memchr(b';', rest.get(at..rest.len().min(at + MAX_NESTING))?)?;
    let name = std::str::from_utf8(&rest[at..end]).ok()?.to_ascii_lowercase();
    let symbol = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(code), _) => u32::from_str_radix(code, 16).ok()?,
        (None, Some(code)) => code.parse().ok()?,
        (None, None) if name == "sol" => u32::from(b'/'),
        (None, None) if name == "plus" => u32::from(b'+'),
        (None, None) => return None,
    };
    let symbol = u8::try_from(symbol).ok().filter(|symbol| matches!(symbol, b'/' | b'+'))?;
    Some((symbol, end + 1))
}

fn starts_with_text(bytes: &[u8], text: &str) -> bool {
    bytes.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
}

/// Returns how many of the first characters of `run` end an escape that starts before it.
fn escape_tail(before: &[u8], run: &[u8]) -> usize {
    match (before.last(), run.first()) {
        (Some(b'\\'), Some(b'n' | b'r' | b't')) => 1,
        (Some(b'\\'), Some(b'u')) if run.len() > 5 && run[1..5].iter().all(u8::is_ascii_hexdigit) => 5,
        (Some(b'\\'), Some(b'x')) if run.len() > 3 && run[1..3].iter().all(u8::is_ascii_hexdigit) => 3,
        (Some(b'%'), _) if run.len() > 2 && run[..2].iter().all(u8::is_ascii_hexdigit) => percent_tail(run),
        _ => colour_tail(before, run),
    }
}

/// The same for `%3D`, and for `%253D` where a URL is in a URL: `25` is followed by another escape only if that is a
/// character of punctuation, else it ends the escape of `%` itself.
fn percent_tail(run: &[u8]) -> usize {
    let mut tail = 2;
    while run[..tail].ends_with(b"25") && tail < MAX_NESTING {
        let code = run.get(tail..tail + 2).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        if run.len() <= tail + 2 || !code.is_some_and(|code| code.is_ascii_punctuation() || code == b' ') {
            break;
        }
        tail += 2;
    }
    tail
}

/// The same for a terminal's colour escape: `ESC [ 1 ; 33 m`, where logs also spell `ESC` as text.
fn colour_tail(before: &[u8], run: &[u8]) -> usize {
    // A number in a colour escape has at most three digits
    let digits = run.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let numbers =
        before.iter().rev().take(MAX_COLOUR_LENGTH).take_while(|b| b.is_ascii_digit() || **b == b';').count();
    let Some(start) = before[..before.len() - numbers].strip_suffix(b"[") else { return 0 };
    let escape = [b"\x1b".as_slice(), b"\\x1b", b"\\u001b", b"\\033", b"\\e", b"^["];
    let ends = run.get(digits) == Some(&b'm') && escape.iter().any(|escape| start.ends_with(escape));
    if ends { digits + 1 } else { 0 }
}

/// Whether a word can start at `at`: there is no letter, digit or underscore before it, unless that ends an escape.
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

/// Whether a word can end before `at`.
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
    fn every_way_to_escape_a_slash_and_a_plus_sign_is_undone() {
        for (text, symbol) in [
            ("&#x2F;", '/'),
            ("&#x02f;", '/'),
            ("&#47;", '/'),
            ("&sol;", '/'),
            ("&amp;#43;", '+'),
            ("&amp;amp;plus;", '+'),
            ("\\x2f", '/'),
            ("\\053", '+'),
            ("\\u{2B}", '+'),
            ("\\\\/", '/'),
            ("\\\\\\\\/", '/'),
            ("\\\\u002b", '+'),
            ("\\+", '+'),
            ("%252F", '/'),
            ("%25252b", '+'),
        ] {
            assert_eq!(run(&format!("ab{text}c."), 0), format!("ab{symbol}c"), "{text}");
        }
        for text in ["&amp;", "&#x3d;", "\\x3d", "%253D", "\\n", "&#99999999999;", "%2", "&#", "\\"] {
            assert_eq!(run(&format!("ab{text}"), 0), "ab", "{text}");
        }
        assert_eq!(run("%253Aabc", 1), "abc");
        assert_eq!(run("%252525abc.", 1), "abc");
        assert_eq!(run("%25ABc", 1), "ABc");
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
            ("s3%253A%252F%252FX", true),
            ("\x1b[33mX", true),
            ("\\u001b[0;1mX", true),
            ("a[33mX", false),
        ] {
            assert_eq!(is_word_start(text.as_bytes(), text.len() - 1), expected, "{text}");
        }
    }
}
