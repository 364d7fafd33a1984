//! The format of an age file (C2SP, `age.md`), binary or armored: checks without any key that a file is what it claims
//! to be.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

const VERSION: &[u8] = b"age-encryption.org/v1\n";
/// The first line of armor.
pub const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
/// The last line of armor.
pub const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// The lines of a stanza's body and of the armor have this many characters, the last one fewer or, in armor, as many.
const COLUMNS: usize = 64;
/// A nonce of 16 bytes, then at least one chunk, which is a tag of 16 bytes when it is empty.
const LEAST_PAYLOAD: usize = 32;

/// Why a file is not a valid age file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenFile {
    pub line: u32,
    pub reason: &'static str,
    pub has_plaintext: bool,
}

impl BrokenFile {
    const fn new(line: u32, reason: &'static str) -> Self {
        Self { line, reason, has_plaintext: false }
    }
}

/// Armor → bytes; an error names the line.
pub fn decode_armor(bytes: &[u8]) -> Result<Vec<u8>, BrokenFile> {
    let text = std::str::from_utf8(bytes).map_err(|_| BrokenFile::new(1, "the armor is not text"))?;
    let mut lines =
        text.trim().lines().enumerate().map(|(i, line)| (i as u32 + 1, line.trim_end_matches('\r')));
    if lines.next().is_none_or(|(_, line)| line != BEGIN) {
        return Err(BrokenFile::new(1, "the armor has no first line"));
    }
    let mut encoded = String::new();
    let mut is_last = false;
    while let Some((number, line)) = lines.next() {
        if line == END {
            // What stands behind the last line is not encrypted; age reads no such file either.
            if let Some((number, _)) = lines.next() {
                return Err(BrokenFile {
                    has_plaintext: true,
                    ..BrokenFile::new(number, "text that is not encrypted follows its last line")
                });
            }
            return STANDARD.decode(encoded).map_err(|_| BrokenFile::new(number, "the armor is not Base64"));
        }
        if is_last || line.is_empty() || line.len() > COLUMNS {
            return Err(BrokenFile::new(number, "a line of the armor has the wrong length"));
        }
        is_last = line.len() < COLUMNS;
        encoded.push_str(line);
    }
    Err(BrokenFile::new(text.lines().count() as u32, "the armor has no last line"))
}

/// Checks the header: the version, at least one stanza, the MAC; then that a payload follows.
pub fn check_header(bytes: &[u8]) -> Result<(), BrokenFile> {
    let mut rest = bytes.strip_prefix(VERSION).ok_or(BrokenFile::new(1, "its version is unknown"))?;
    let mut number = 1;
    let mut stanzas = 0;
    let mut in_body = false;
    loop {
        number += 1;
        let end = memchr::memchr(b'\n', rest).ok_or(BrokenFile::new(number, "the header has no end"))?;
        let line = std::str::from_utf8(&rest[..end])
            .map_err(|_| BrokenFile::new(number, "the header is not text"))?;
        rest = &rest[end + 1..];
        if in_body {
            if line.len() > COLUMNS || STANDARD_NO_PAD.decode(line).is_err() {
                return Err(BrokenFile::new(number, "a stanza is not Base64"));
            }
            // Only a shorter line, or an empty one, ends a body.
            in_body = line.len() == COLUMNS;
        } else if let Some(arguments) = line.strip_prefix("-> ") {
            let is_word = arguments
                .split(' ')
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()));
            if !is_word {
                return Err(BrokenFile::new(number, "a stanza has no type"));
            }
            stanzas += 1;
            in_body = true;
        } else if let Some(mac) = line.strip_prefix("--- ") {
            if !STANDARD_NO_PAD.decode(mac).is_ok_and(|mac| mac.len() == 32) {
                return Err(BrokenFile::new(number, "the MAC of the header has the wrong length"));
            }
            break;
        } else {
            return Err(BrokenFile::new(number, "a line of the header is none that age knows"));
        }
    }
    // Such a file can be decrypted by no one, so its credential is lost.
    if stanzas == 0 {
        return Err(BrokenFile::new(2, "it has no recipients"));
    }
    if rest.len() < LEAST_PAYLOAD {
        Err(BrokenFile::new(number, "nothing is encrypted in it"))
    } else {
        Ok(())
    }
}
