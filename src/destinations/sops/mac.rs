//! Computes the MAC of a SOPS file: SHA-512 over the values in their order. SOPS encrypts it like a value, with
//! `lastmodified` as additional data (getsops/sops, `Encrypt`, `Decrypt` and `shouldBeEncrypted` in `sops.go`).

use sha2::{Digest as _, Sha512};

use super::cipher::{decrypt_value, is_encrypted};
use super::document::{SopsDocument, SopsLeaf, SopsValue};
use super::store_format::KeyPattern;
use crate::secret::DataKey;

/// `sha256("sops")`: what the hash of a file with `mac_only_encrypted` begins with.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];
/// What SOPS leaves in clear where the metadata does not say otherwise.
const UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// Which values of a file are ciphertext. A selector looks at every key of a path.
pub enum EncryptionSelector {
    Suffix {
        suffix: String,
        encrypts: bool,
    },
    Pattern {
        pattern: KeyPattern,
        encrypts: bool,
    },
    /// The file selects by comments, or by a pattern that only Go reads: each value shows whether it is encrypted.
    Shape,
}

impl EncryptionSelector {
    pub fn from_metadata(document: &SopsDocument) -> Self {
        for (name, encrypts) in [("encrypted_regex", true), ("unencrypted_regex", false)] {
            if let Some(pattern) = metadata_text(document, name) {
                let pattern = KeyPattern::compile(pattern);
                return pattern.map_or(Self::Shape, |pattern| Self::Pattern { pattern, encrypts });
            }
        }
        if ["encrypted_comment_regex", "unencrypted_comment_regex"]
            .into_iter()
            .any(|name| metadata_text(document, name).is_some())
        {
            return Self::Shape;
        }
        if let Some(suffix) = metadata_text(document, "encrypted_suffix") {
            return Self::Suffix { suffix: suffix.to_owned(), encrypts: true };
        }
        let suffix = metadata_text(document, "unencrypted_suffix").unwrap_or(UNENCRYPTED_SUFFIX);
        Self::Suffix { suffix: suffix.to_owned(), encrypts: false }
    }

    pub fn should_encrypt(&self, leaf: &SopsLeaf) -> bool {
        let selects = match self {
            Self::Suffix { suffix, encrypts } => {
                Some(leaf.keys.iter().any(|key| key.ends_with(suffix)) == *encrypts)
            }
            Self::Pattern { pattern, encrypts } => {
                pattern.matches_any(&leaf.keys).map(|matches| matches == *encrypts)
            }
            Self::Shape => None,
        };
        selects.unwrap_or_else(|| is_encrypted(leaf.value_text()))
    }
}

fn metadata_text<'a>(document: &'a SopsDocument, name: &str) -> Option<&'a str> {
    document.metadata_field(&[name]).map(SopsLeaf::value_text)
}

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
    let selector = EncryptionSelector::from_metadata(document);
    let only_encrypted = document
        .metadata_field(&["mac_only_encrypted"])
        .is_some_and(|leaf| leaf.value_text().eq_ignore_ascii_case("true") || leaf.value_text() == "1");
    let mut hash = Sha512::new();
    if only_encrypted {
        hash.update(ONLY_ENCRYPTED);
    }
    for (index, leaf) in document.leaves.iter().enumerate() {
        let encrypts = selector.should_encrypt(leaf);
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
