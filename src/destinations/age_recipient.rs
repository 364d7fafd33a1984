//! Parses the recipients of age files and of SOPS files: the native ones, to which this program can encrypt itself.
//!
//! They are those of the specification (C2SP, `age.md`: X25519) and the tagged ones of `age-plugin` (`age1tag`,
//! `age1tagpq`). No plugin is ever run, and no SSH key is used.

use std::str::FromStr as _;

use age::{tag, tagpq, x25519};

/// How much of a mistyped recipient is shown; an X25519 recipient has 62 characters.
const SHOWN_CHARS: usize = 72;

/// Why a text is no recipient. Each message continues a sentence that names the place of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableRecipient {
    #[error("stands an identity, which is a secret: it must be replaced everywhere")]
    Identity,
    #[error("`{0}` is mistyped: its checksum is wrong")]
    Mistyped(String),
    #[error("`{0}` needs a plugin of age")]
    NeedsPlugin(String),
    #[error("stands what is no recipient of age")]
    Unknown,
}

/// Parses a native recipient.
///
/// # Errors
/// The text is something else.
pub fn parse_recipient(text: &str) -> Result<Box<dyn age::Recipient>, UnusableRecipient> {
    // Also `AGE-PLUGIN-...`, the identity of a plugin, which may hold a secret as well
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") || text.contains("-PLUGIN-") {
        return Err(UnusableRecipient::Identity);
    }
    if let Ok(recipient) = x25519::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = tagpq::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = tag::Recipient::from_str(text) {
        return Ok(Box::new(recipient));
    }
    // A text that begins otherwise may be anything, also a secret, so no message quotes it.
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    Err(match text.rsplit_once('1') {
        Some(("age", _)) => UnusableRecipient::Mistyped(shown),
        Some((name, _)) if name.starts_with("age1") => UnusableRecipient::NeedsPlugin(shown),
        _ => UnusableRecipient::Unknown,
    })
}
