//! Lists the access key IDs that a file names.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::key_id::{LENGTH, PREFIXES};
use super::scan::{KeyMaterial, Scanner, prefix_anchors};
use super::text_encoding::decode_text;

/// The largest file that is searched for the key of a retirement or a migration; GitHub takes none that is larger.
pub const MAX_SEARCHED_BYTES: usize = 100 * 1024 * 1024;

/// Base64 that may end in the middle of a byte.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// The access key IDs in a file, also in Base64, whose lines may be wrapped. Unlike a scan for leaks it leaves no placeholder
/// out, and needs no end of a word.
pub fn list_named_keys(scanner: &Scanner, bytes: &[u8]) -> BTreeSet<String> {
    let text = decode_text(bytes);
    let mut keys = BTreeSet::new();
    for prefix in PREFIXES {
        for at in memchr::memmem::find_iter(&text, prefix.as_bytes()) {
            keys.extend(text.get(at..at + LENGTH).and_then(parse_id));
        }
    }
    let joined = join_lines(&text);
    for (anchor, before) in prefix_anchors() {
        add_encoded_keys(&joined, &anchor, before, &mut keys);
    }
    for found in scanner.scan(&text).matches {
        if let KeyMaterial::KeyId(id) = found.material {
            keys.insert(id.as_str().to_owned());
        }
    }
    keys
}

fn parse_id(bytes: &[u8]) -> Option<String> {
    let is_id = bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_id { String::from_utf8(bytes.to_vec()).ok() } else { None }
}

/// A text without blanks, in the first alphabet of Base64.
fn join_lines(text: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(text.len());
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        joined.push(match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        });
    }
    joined
}

/// Adds the IDs in Base64 whose encoding has an anchor; see [`prefix_anchors`]. `before`: how many characters of the anchor's
/// group come before it.
fn add_encoded_keys(text: &[u8], anchor: &str, before: usize, keys: &mut BTreeSet<String>) {
    // The bytes of the group before the ID
    let skipped = before * 6 / 8;
    let length = ((skipped + LENGTH) * 8).div_ceil(6);
    for at in memchr::memmem::find_iter(text, anchor.as_bytes()) {
        let group = at.checked_sub(before).and_then(|start| text.get(start..start + length));
        let decoded = group.and_then(|group| LENIENT.decode(group).ok()).unwrap_or_default();
        keys.extend(decoded.get(skipped..skipped + LENGTH).and_then(parse_id));
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    use super::*;

    #[test]
    fn a_key_is_found_in_every_form() {
        let id = ["AKIA", "QNZGKIQY56JQ7WML"].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(format!("[default]\nid = {id}\n"));
        let wide: Vec<u8> = format!("\u{feff}id = {id}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in
            [format!("keyId: {id}\n").into_bytes(), format!("x{id}x").into_bytes(), base64.into(), wide]
        {
            assert_eq!(
                list_named_keys(&Scanner::new(), &bytes),
                BTreeSet::from([id.clone()]),
                "{}",
                bytes.escape_ascii()
            );
        }
        // At each place of a group of three, beside other letters, in wrapped lines, and with digits that no ID has today
        for id in [id, ["AKIA", "0189PLACEHOLDERX"].concat()] {
            for before in ["", "a", "ab", "key_", "?>?"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}{id}z"));
                for width in [5, 60] {
                    let lines: Vec<&str> = encoded
                        .as_bytes()
                        .chunks(width)
                        .map(|line| std::str::from_utf8(line).unwrap())
                        .collect();
                    let found = list_named_keys(&Scanner::new(), lines.join("\n    ").as_bytes());
                    assert_eq!(found, BTreeSet::from([id.clone()]), "{before}, {width}");
                }
            }
        }
        assert!(list_named_keys(&Scanner::new(), b"AKIA and AKIAqnzgkiqy56jq7wml, AKIA").is_empty());
    }
}
