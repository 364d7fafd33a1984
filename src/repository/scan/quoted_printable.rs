//! Decodes quoted-printable (RFC 2045, section 6.7), in which mail and what is exported from it hold text: `=3D` stands
//! for `=`, and a line that ends in `=` goes on in the next one.

use std::ops::Range;

/// How a header names the encoding. Every needle of a scanner is searched for in every file, so these are the usual
/// spellings only; a text without a header is known by its `=3D`.
pub const HEADER_WORDS: [&str; 3] = ["quoted-printable", "Quoted-Printable", "QUOTED-PRINTABLE"];

/// Decoded text that knows its origin.
pub struct DecodedText {
    pub bytes: Vec<u8>,
    /// For each decoded sequence, the position behind it in `bytes` and in the file.
    jumps: Vec<(usize, usize)>,
}

/// Whether the bytes have the encoding of `=`, which every such text with an assignment has.
pub fn has_encoded_equals(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"=3D").is_some()
}

/// Decodes all sequences; other bytes are copied.
pub fn decode(bytes: &[u8]) -> DecodedText {
    let mut text = DecodedText { bytes: Vec::with_capacity(bytes.len()), jumps: Vec::new() };
    let mut done = 0;
    for at in memchr::memchr_iter(b'=', bytes) {
        let Some((symbol, length)) = decode_sequence(&bytes[at + 1..]) else { continue };
        text.bytes.extend_from_slice(&bytes[done..at]);
        text.bytes.extend(symbol);
        done = at + 1 + length;
        text.jumps.push((text.bytes.len(), done));
    }
    text.bytes.extend_from_slice(&bytes[done..]);
    text
}

/// The byte for what follows a `=`, and the length of that; no byte for the end of a line.
fn decode_sequence(rest: &[u8]) -> Option<(Option<u8>, usize)> {
    match rest {
        [b'\r', b'\n', ..] => Some((None, 2)),
        [b'\n', ..] => Some((None, 1)),
        [high, low, ..] => {
            let code = char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?;
            Some((Some(u8::try_from(code).ok()?), 2))
        }
        _ => None,
    }
}

impl DecodedText {
    /// The range of the file that a range of the text comes from.
    pub fn source_range(&self, range: &Range<usize>) -> Range<usize> {
        self.source_of(range.start)..self.source_of(range.end)
    }

    fn source_of(&self, at: usize) -> usize {
        let before = self.jumps.partition_point(|(decoded, _)| *decoded <= at);
        let (decoded, source) = before.checked_sub(1).map_or((0, 0), |last| self.jumps[last]);
        source + (at - decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_decoded_and_know_their_origin() {
        let text = decode(b"key=3Dab=\r\ncd=2f=\nx=zz =");
        assert_eq!(text.bytes, b"key=abcd/x=zz =");
        assert_eq!(text.source_range(&(4..8)), 6..13, "abcd");
        assert_eq!(text.source_range(&(0..3)), 0..3, "key");
        assert_eq!(text.source_range(&(9..10)), 18..19, "x");
    }
}
