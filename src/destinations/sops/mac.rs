//! Computes the MAC of a SOPS file: SHA-512 over the values in their order. SOPS encrypts it like a value, with
//! `lastmodified` as additional data (getsops/sops, `Encrypt` and `Decrypt` in `sops.go`).

use sha2::{Digest as _, Sha512};

use super::cipher::{decrypt_value, is_encrypted};
use super::document::{SopsDocument, SopsLeaf, SopsValue};
use super::encryption_rules::{EncryptionRules, is_mac_only_encrypted};
use crate::secret::DataKey;

/// `sha256("sops")`: what the hash of a file with `mac_only_encrypted` begins with.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];
/// A value that the MAC cannot be computed over.
#[derive(Debug)]
pub struct UnreadableLeaf<'a> {
    pub leaf: &'a SopsLeaf,
    pub why: &'static str,
}

/// The MAC of a document. The credential's values count as `new` where it is given, else as what they hold;
/// without a data key no other value may be encrypted.
pub fn compute_mac<'a>(
    document: &'a SopsDocument,
    key: Option<&DataKey>,
    new: &[(usize, &[u8])],
) -> Result<String, UnreadableLeaf<'a>> {
    let field = |name: &str| document.metadata_field(&[name]);
    let rules = EncryptionRules::from_metadata(|name| field(name).map(|leaf| leaf.value_text().to_owned()));
    let only_encrypted = field("mac_only_encrypted").is_some_and(|leaf| {
        is_mac_only_encrypted(leaf.value_text(), matches!(leaf.value, SopsValue::Typed(_)))
    });
    let mut hash = Sha512::new();
    if only_encrypted {
        hash.update(ONLY_ENCRYPTED);
    }
    for (index, leaf) in document.leaves.iter().enumerate() {
        // Where the rules are not judged, each value shows by itself whether it is encrypted
        let encrypts = rules.should_encrypt(&leaf.keys).unwrap_or_else(|| is_encrypted(leaf.value_text()));
        if only_encrypted && !encrypts {
            continue;
        }
        if let Some((_, value)) = new.iter().find(|(place, _)| *place == index) {
            hash.update(value);
        // SOPS leaves an empty text as it is, whatever the rules say
        } else if encrypts && !leaf.value_text().is_empty() {
            hash.update(&*leaf_plaintext(leaf, key)?);
        } else {
            hash.update(leaf.value_text());
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect())
}

fn leaf_plaintext<'a>(
    leaf: &'a SopsLeaf,
    key: Option<&DataKey>,
) -> Result<zeroize::Zeroizing<Vec<u8>>, UnreadableLeaf<'a>> {
    let text = match &leaf.value {
        SopsValue::Text(text) if is_encrypted(text) => text,
        SopsValue::Text(_) | SopsValue::Typed(_) => {
            let why =
                "must be encrypted by the rules of this file, and is plaintext; SOPS refuses such a file";
            return Err(UnreadableLeaf { leaf, why });
        }
    };
    let why = "is encrypted as well, so the file's data key is needed";
    let key = key.ok_or(UnreadableLeaf { leaf, why })?;
    let why = "cannot be decrypted with the file's data key";
    decrypt_value(text, key, &leaf.additional_data()).ok_or(UnreadableLeaf { leaf, why })
}
