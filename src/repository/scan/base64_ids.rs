//! Finds access key IDs in Base64. The four letters of a prefix have three encodings, one for each position in a group
//! of three bytes (RFC 4648, section 4). The scanner searches for these, and the block around one is decoded.
//!
//! Base64 in Base64 is found the same way, by the encodings of the encodings, but only near the word `secret`, which
//! every Kubernetes manifest of a Secret contains: most files do not, and are not searched a second time.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::tokens::is_token;
use crate::repository::key_id::PREFIXES;

/// How far a block is followed on either side: enough for a value of a Secret, not for an image.
const MAX_BLOCK_REACH: usize = 8 * 1024;

/// How far from the word `secret` Base64 in Base64 is searched for.
const SECRET_WORD_REACH: usize = 4 * 1024;

/// The characters to search for, and how many characters of their group come before them.
pub type Base64Anchor = (String, usize);

/// Returns the encodings of the prefixes of access key IDs.
pub fn prefix_anchors() -> Vec<Base64Anchor> {
    PREFIXES.iter().flat_map(|prefix| base64_anchors(prefix)).collect()
}

/// Returns for each of the three positions the characters of the encoding that depend on `text` alone.
fn base64_anchors(text: &str) -> impl Iterator<Item = Base64Anchor> {
    (0..3_usize).map(move |place| {
        let fixed = (8 * place).div_ceil(6)..8 * (place + text.len()) / 6;
        let padded = [vec![0; place], text.as_bytes().to_vec()].concat();
        (STANDARD.encode(padded)[fixed.clone()].to_owned(), fixed.start)
    })
}

/// Searches for Base64 in Base64.
pub struct DoubleBase64 {
    needles: AhoCorasick,
    /// For each needle, how many characters of its group come before it.
    before: Vec<usize>,
}

impl DoubleBase64 {
    /// # Panics
    /// Never: the needles are fixed.
    pub fn new() -> Self {
        let twice =
            prefix_anchors().into_iter().flat_map(|(text, _)| base64_anchors(&text).collect::<Vec<_>>());
        let (texts, before): (Vec<String>, Vec<usize>) = twice.unzip();
        // This match kind lets aho-corasick use its vectorized search.
        let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts);
        #[expect(clippy::expect_used, reason = "a fixed list of short strings always builds")]
        let needles = builder.expect("the needles build");
        Self { needles, before }
    }

    /// Returns the start of each group with an anchor near one of the `words`, which are sorted.
    pub fn find_groups(&self, bytes: &[u8], words: &[usize], steps: &mut u64) -> Vec<usize> {
        let mut groups = Vec::new();
        for stretch in ranges_around(words, bytes.len()) {
            *steps += stretch.len() as u64;
            let found = self.needles.find_iter(&bytes[stretch.clone()]);
            groups.extend(found.filter_map(|found| {
                (stretch.start + found.start()).checked_sub(self.before[found.pattern().as_usize()])
            }));
        }
        groups
    }
}

/// Returns the ranges around the words; ranges that touch are joined.
fn ranges_around(words: &[usize], length: usize) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for word in words {
        let next = word.saturating_sub(SECRET_WORD_REACH)..length.min(word + SECRET_WORD_REACH);
        match stretches.last_mut().filter(|last| next.start <= last.end) {
            Some(last) => last.end = next.end,
            None => stretches.push(next),
        }
    }
    stretches
}

/// A block of Base64 and its decoded bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Base64Block {
    pub start: usize,
    pub end: usize,
    pub text: Vec<u8>,
}

/// Decodes the block that contains the group at `group`. Wrapped lines are joined.
pub fn decode_block(bytes: &[u8], group: usize) -> Option<Base64Block> {
    let start = find_first_group(bytes, group);
    let mut symbols = Vec::new();
    let mut end = start;
    while end < bytes.len() && end - start < 2 * MAX_BLOCK_REACH {
        if is_token(bytes[end]) {
            symbols.push(bytes[end]);
            end += 1;
        } else if let Some(next) = next_line_start(bytes, end) {
            end = next;
        } else {
            break;
        }
    }
    // One symbol alone encodes no byte, and the decoder would refuse the whole block.
    symbols.truncate(symbols.len() - usize::from(symbols.len() % 4 == 1));
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(symbols).ok()?;
    Some(Base64Block { start, end, text })
}

/// Goes back group by group, also over line ends, to the first group of the block.
fn find_first_group(bytes: &[u8], group: usize) -> usize {
    let mut start = group;
    while group - start < MAX_BLOCK_REACH {
        let end = previous_line_end(bytes, start).unwrap_or(start);
        if end < 4 || !bytes[end - 4..end].iter().all(|b| is_token(*b)) {
            break;
        }
        start = end - 4;
    }
    start
}

/// Returns the end of the line before the wrapped line that starts at `at`.
fn previous_line_end(bytes: &[u8], at: usize) -> Option<usize> {
    let indent = bytes[..at].iter().rev().take(32).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let end = bytes[..at - indent].strip_suffix(b"\n")?;
    Some(end.strip_suffix(b"\r").unwrap_or(end).len())
}

/// Returns the first character of the next line, if that line is Base64 only.
fn next_line_start(bytes: &[u8], end: usize) -> Option<usize> {
    let rest = bytes[end..].strip_prefix(b"\r\n").or_else(|| bytes[end..].strip_prefix(b"\n"))?;
    let indent = rest.iter().take(32).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let line = rest[indent..].iter().take(128).take_while(|b| is_token(**b)).count();
    let padding = rest[indent + line..].iter().take_while(|b| **b == b'=').take(2).count();
    let ends = matches!(rest.get(indent + line + padding), None | Some(b'\n' | b'\r'));
    (line > 0 && ends).then(|| bytes.len() - rest.len() + indent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = concat!("AKIA", "QNZGKIQY56JQ7WML");

    fn find(text: &str) -> Option<String> {
        prefix_anchors().iter().find_map(|(anchor, before)| {
            let at = text.find(anchor.as_str())?;
            let block = decode_block(text.as_bytes(), at.checked_sub(*before)?)?;
            let text = String::from_utf8(block.text).ok()?;
            text.contains(ID).then_some(text)
        })
    }

    #[test]
    fn an_id_is_found_at_every_place_in_its_group() {
        for before in ["", "a", "ab", "abc", "[default]\naws_access_key_id="] {
            let text = format!("{before}{ID}\nrest");
            assert_eq!(find(&STANDARD.encode(&text)).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn base64_of_base64_is_found_at_every_place_near_the_word_and_nowhere_else() {
        let twice = DoubleBase64::new();
        for (inside, before) in (0..9).map(|n| (n % 3, n / 3)) {
            let inner = STANDARD.encode(format!("{}{ID}\nrest", "i".repeat(inside)));
            let outer = STANDARD.encode(format!("{}{inner}", "=".repeat(before)));
            let text = format!("kind: Secret\ndata: {outer}\n");
            let groups = twice.find_groups(text.as_bytes(), &[6], &mut 0);
            let found = groups.iter().filter_map(|group| decode_block(text.as_bytes(), *group));
            assert!(found.map(|block| block.text).any(|text| text.ends_with(inner.as_bytes())), "{text}");

            let far = format!("{}{text}", "x\n".repeat(SECRET_WORD_REACH));
            assert_eq!(twice.find_groups(far.as_bytes(), &[6], &mut 0), Vec::<usize>::new());
            assert_eq!(twice.find_groups(far.as_bytes(), &[6, far.len() - text.len() + 6], &mut 0).len(), 1);
        }
    }

    #[test]
    fn stretches_that_touch_are_one() {
        let far = 3 * SECRET_WORD_REACH;
        assert_eq!(
            ranges_around(&[6, 9, far], far + 5),
            [0..9 + SECRET_WORD_REACH, far - SECRET_WORD_REACH..far + 5]
        );
    }

    #[test]
    fn wrapped_lines_are_joined() {
        let text = format!("{}{ID}{}", "x".repeat(70), "y".repeat(100));
        let encoded = STANDARD.encode(&text);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
        assert_eq!(find(&lines.join("\n    ")).as_deref(), Some(text.as_str()));
    }
}
