//! Base64 that holds an access key ID: found by what the four letters of a prefix become at each of the three
//! places that they can have in a group (RFC 4648, section 4), then decoded as a whole.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::tokens::is_token;
use crate::repo::key_id::PREFIXES;

/// How far a block is followed on either side: a Secret's value, not an image.
const REACH: usize = 8 * 1024;

/// For each phase, which characters of the encoded text depend on the prefix alone.
const FIXED: [std::ops::Range<usize>; 3] = [0..5, 2..6, 3..8];

/// An anchor: the characters to look for, and how many of its group stand before them.
pub fn anchors() -> Vec<(String, usize)> {
    let anchor = |prefix: &str, phase: usize| {
        let padded = [vec![0; phase], prefix.as_bytes().to_vec()].concat();
        (STANDARD.encode(padded)[FIXED[phase].clone()].to_owned(), FIXED[phase].start)
    };
    PREFIXES.iter().flat_map(|prefix| (0..3).map(move |phase| anchor(prefix, phase))).collect()
}

/// A block of Base64 and what it says.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    pub start: usize,
    pub end: usize,
    pub text: Vec<u8>,
}

/// Decodes the block in which a group begins at `group`. Wrapped lines are joined.
pub fn block(bytes: &[u8], group: usize) -> Option<Block> {
    let start = first_group(bytes, group);
    let mut symbols = Vec::new();
    let mut end = start;
    while end < bytes.len() && end - start < 2 * REACH {
        if is_token(bytes[end]) {
            symbols.push(bytes[end]);
            end += 1;
        } else if let Some(next) = next_line(bytes, end) {
            end = next;
        } else {
            break;
        }
    }
    symbols.truncate(symbols.len() - usize::from(symbols.len() % 4 == 1));
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let text = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(symbols).ok()?;
    Some(Block { start, end, text })
}

/// Goes back group by group, over line ends, as far as there are groups.
fn first_group(bytes: &[u8], group: usize) -> usize {
    let mut start = group;
    while group - start < REACH {
        let end = line_before(bytes, start).unwrap_or(start);
        if end < 4 || !bytes[end - 4..end].iter().all(|b| is_token(*b)) {
            break;
        }
        start = end - 4;
    }
    start
}

/// From the first character of a wrapped line, the end of the line before it.
fn line_before(bytes: &[u8], at: usize) -> Option<usize> {
    let indent = bytes[..at].iter().rev().take(32).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let end = bytes[..at - indent].strip_suffix(b"\n")?;
    Some(end.strip_suffix(b"\r").unwrap_or(end).len())
}

/// From the end of a wrapped line, the first character of the next one, if that is Base64 and nothing else.
fn next_line(bytes: &[u8], end: usize) -> Option<usize> {
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
        anchors().iter().find_map(|(anchor, before)| {
            let at = text.find(anchor.as_str())?;
            let block = block(text.as_bytes(), at.checked_sub(*before)?)?;
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
    fn wrapped_lines_are_joined() {
        let text = format!("{}{ID}{}", "x".repeat(70), "y".repeat(100));
        let encoded = STANDARD.encode(&text);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
        assert_eq!(find(&lines.join("\n    ")).as_deref(), Some(text.as_str()));
    }
}
