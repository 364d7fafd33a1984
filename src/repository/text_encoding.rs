//! Converts the bytes of a file into text that the scanner can read: UTF-16 becomes UTF-8, also where only a part of
//! the file is UTF-16, as when PowerShell appends to a file of another program.

use std::borrow::Cow;

/// The fewest characters of UTF-16 in a row that count as text without a byte order mark.
const MIN_WIDE_CHARS: usize = 8;
/// The fewest bytes of ASCII in a row that count as 8-bit text in a file of UTF-16: the length of an access key ID. Two
/// bytes of a Chinese character can look like ASCII; ten such characters in a row are rare, and then only less is read.
const MIN_NARROW_BYTES: usize = 20;
/// How many zeros are skipped at once.
const ZEROS: [u8; 16] = [0; 16];

/// Converts the content of a file; bytes without UTF-16 are returned unchanged.
pub fn decode_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes {
        [0xff, 0xfe, rest @ ..] if !has_narrow_text(rest) => {
            Cow::Owned(decode_utf16(rest, u16::from_le_bytes))
        }
        [0xfe, 0xff, rest @ ..] if !has_narrow_text(rest) => {
            Cow::Owned(decode_utf16(rest, u16::from_be_bytes))
        }
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => decode_wide_runs(rest),
        _ => decode_wide_runs(bytes),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let characters = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    characters.collect::<String>().into_bytes()
}

/// Whether a file of UTF-16 has 8-bit text in it.
fn has_narrow_text(bytes: &[u8]) -> bool {
    let mut length = 0;
    for byte in bytes {
        length = if matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n') { length + 1 } else { 0 };
        if length == MIN_NARROW_BYTES {
            return true;
        }
    }
    false
}

/// Converts each run of UTF-16 among other bytes, whatever its byte order: every second byte of it is zero. A run that
/// is cut off at the end of `bytes` goes on in the next part of the file.
pub fn decode_wide_runs(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Vec::new();
    let (mut done, mut at) = (0, 0);
    while let Some(zero) = memchr::memchr(0, &bytes[at..]).map(|found| at + found) {
        // A run of either byte order can be read from the character before a zero, or from the zero.
        let before = zero.checked_sub(1).filter(|start| *start >= done);
        let run = before.and_then(|start| read_run(bytes, start, 0)).or_else(|| read_run(bytes, zero, 1));
        match run {
            Some((characters, start, end)) => {
                text.extend_from_slice(&bytes[done..start]);
                text.extend_from_slice(characters.as_bytes());
                (done, at) = (end, end);
            }
            None => at = skip_zeros(bytes, zero + 1),
        }
    }
    if done == 0 {
        return Cow::Borrowed(bytes);
    }
    text.extend_from_slice(&bytes[done..]);
    Cow::Owned(text)
}

/// Reads the pairs from `start` on whose byte `place` is a character and whose other byte is zero. Returns the text, the
/// start and the end.
fn read_run(bytes: &[u8], start: usize, place: usize) -> Option<(String, usize, usize)> {
    // Most zeros of a binary file begin no run: they are passed over by a look at its last byte.
    if bytes.get(start + 2 * MIN_WIDE_CHARS - 1 - place) != Some(&0) {
        return None;
    }
    let pairs = bytes[start..].chunks_exact(2);
    let count = pairs.take_while(|pair| pair[1 - place] == 0 && is_character(pair[place])).count();
    if count < MIN_WIDE_CHARS {
        return None;
    }
    let end = start + 2 * count;
    let characters = bytes[start..end].chunks_exact(2).map(|pair| char::from(pair[place])).collect();
    Some((characters, start, end))
}

/// A character of Latin-1 that is text.
fn is_character(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0xa0..)
}

/// Returns the position behind the zeros at `at`, but for the last one: binary files are full of them.
fn skip_zeros(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at..at + ZEROS.len() + 1).is_some_and(|next| next.iter().all(|byte| *byte == 0)) {
        at += ZEROS.len();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    fn decoded(bytes: &[u8]) -> String {
        String::from_utf8_lossy(&decode_text(bytes)).into_owned()
    }

    #[test]
    fn a_whole_file_is_converted() {
        let text = "schlüssel: 密钥 and more\n";
        assert_eq!(decoded(&[&[0xff, 0xfe][..], &wide(text, u16::to_le_bytes)].concat()), text);
        assert_eq!(decoded(&[&[0xfe, 0xff][..], &wide(text, u16::to_be_bytes)].concat()), text);
        assert_eq!(decoded(text.as_bytes()), text);
    }

    #[test]
    fn an_encoding_that_changes_in_the_middle_is_followed() {
        let (first, second) = ("first line of the file\n", "second line, appended\n");
        let expected = format!("{first}{second}{first}");
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let (wide_first, wide_second) = (wide(first, unit), wide(second, unit));
            assert_eq!(decoded(&[first.as_bytes(), &wide_second, first.as_bytes()].concat()), expected);
            assert_eq!(decoded(&[&wide_first[..], second.as_bytes(), &wide_first].concat()), expected);
        }
        // With a byte order mark at the beginning, the 8-bit text behind it counts as well.
        let bytes = [&[0xff, 0xfe][..], &wide(first, u16::to_le_bytes), second.as_bytes()].concat();
        assert_eq!(decoded(&bytes), format!("{first}{second}"));
    }

    #[test]
    fn other_bytes_stay_as_they_are() {
        for bytes in [&b"a\0b\0c\0"[..], &[0; 100], b"\0", b"", b"one\0two\0three\0"] {
            assert_eq!(decode_text(bytes), bytes);
        }
        let bytes = [&[0; 90][..], &wide("twelve chars", u16::to_le_bytes), &[0; 90]].concat();
        assert!(decoded(&bytes).contains("twelve chars"));
    }
}
