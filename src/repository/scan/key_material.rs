//! What the scanner finds: an access key ID or a secret access key, its position, and what of the line may be shown.

use std::ops::Range;

use super::excerpt;
use crate::diagnostic::Position;
use crate::excerpt::LineExcerpt;
use crate::repository::key_id::AccessKeyId;
use crate::sanitize;

/// Key material in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMatch {
    pub at: Position,
    pub material: KeyMaterial,
    /// Whether the file contains it in Base64.
    pub encoded: bool,
    /// The start of the line, with words in place of the key material.
    pub excerpt: LineExcerpt,
}

impl KeyMatch {
    /// The excerpt with its access key ID masked, on which the fingerprint of a finding rests.
    pub fn masked_excerpt(&self) -> String {
        match &self.material {
            KeyMaterial::KeyId(id) => {
                self.excerpt.text.replace(id.as_str(), &sanitize::mask_key_id(id.as_str()))
            }
            KeyMaterial::Secret { .. } => self.excerpt.text.clone(),
        }
    }
}

/// The kind of key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    KeyId(AccessKeyId),
    /// A secret access key; `digest` distinguishes two of them and is never printed.
    Secret {
        /// The nearest access key ID that it may belong to.
        beside: Option<AccessKeyId>,
        digest: u64,
    },
}

impl KeyMaterial {
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }
}

/// Key material in a range of bytes.
pub struct RawMatch {
    pub span: Range<usize>,
    pub material: KeyMaterial,
    pub encoded: bool,
}

impl RawMatch {
    /// Adds the position and the excerpt.
    pub fn into_match(self, bytes: &[u8], at: Position) -> KeyMatch {
        let encoded = if self.encoded { ", in Base64" } else { "" };
        let redacted = match &self.material {
            // Reports that mask key IDs mask it here, too
            KeyMaterial::KeyId(id) => format!("{id}{encoded}"),
            KeyMaterial::Secret { .. } => format!("[secret access key{encoded}]"),
        };
        let excerpt = excerpt::redacted_excerpt(bytes, self.span.start, at.line, &redacted);
        KeyMatch { at, material: self.material, encoded: self.encoded, excerpt }
    }
}
