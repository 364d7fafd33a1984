//! Lists the access key IDs that a file names.

use std::collections::BTreeSet;

use super::key_id::{LENGTH, PREFIXES};
use super::scan::{KeyMaterial, Scanner};
use super::text_encoding::decode_text;

/// The access key IDs in a file, also in Base64. Unlike a scan for leaks it leaves no placeholder out.
pub fn list_named_keys(scanner: &Scanner, bytes: &[u8]) -> BTreeSet<String> {
    let text = decode_text(bytes);
    let mut keys = BTreeSet::new();
    for prefix in PREFIXES {
        for at in memchr::memmem::find_iter(&text, prefix.as_bytes()) {
            let Some(id) = text.get(at..at + LENGTH) else { continue };
            if id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
                keys.extend(String::from_utf8(id.to_vec()));
            }
        }
    }
    for found in scanner.scan(&text).matches {
        if let KeyMaterial::KeyId(id) = found.material {
            keys.insert(id.as_str().to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

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
        assert!(list_named_keys(&Scanner::new(), b"AKIA and AKIAqnzgkiqy56jq7wml, AKIA").is_empty());
    }
}
