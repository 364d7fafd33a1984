//! Lists the access key IDs that a file names.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD_NO_PAD};

use super::key_id::{LENGTH, PREFIXES};
use super::scan::{KeyMaterial, Scanner};
use super::text_encoding::decode_text;

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
    let mut joined: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // In both alphabets of Base64
    for byte in &mut joined {
        *byte = match *byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
    }
    for prefix in PREFIXES {
        for skipped in 0..3 {
            add_encoded_keys(&joined, prefix, skipped, &mut keys);
        }
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

/// Adds the IDs in Base64 that begin behind `skipped` bytes of a group of three, in a text without blanks.
fn add_encoded_keys(text: &[u8], prefix: &str, skipped: usize, keys: &mut BTreeSet<String>) {
    let encoded = STANDARD_NO_PAD.encode([&[0; 2][..skipped], prefix.as_bytes()].concat());
    // The characters at both ends also hold bits of the bytes beside the prefix
    let known = (skipped * 8).div_ceil(6)..(skipped + prefix.len()) * 8 / 6;
    let Some(pattern) = encoded.get(known.clone()) else { return };
    for at in memchr::memmem::find_iter(text, pattern.as_bytes()) {
        let Some(start) = at.checked_sub(known.start) else { continue };
        let length = ((skipped + LENGTH) * 8).div_ceil(6);
        let Some(group) = text.get(start..start + length) else { continue };
        let decoded = LENIENT.decode(group).unwrap_or_default();
        let id = decoded.get(skipped..skipped + LENGTH).and_then(parse_id);
        keys.extend(id.filter(|id| id.starts_with(prefix)));
    }
}

#[cfg(test)]
mod tests {
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
