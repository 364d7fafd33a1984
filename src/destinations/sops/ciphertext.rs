//! The form of a value that SOPS has encrypted (getsops/sops, `aes/cipher.go`), as it shows without the data key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The length of a tag of AES-GCM.
const TAG: usize = 16;

/// `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`, each part in Base64.
pub fn is_encrypted(text: &str) -> bool {
    let Some([data, iv, tag, kind]) = split_ciphertext(text) else { return false };
    let kinds = ["str", "int", "float", "bytes", "bool", "time", "comment"];
    decoded_length(data) > 0 && decoded_length(iv) > 0 && decoded_length(tag) == TAG && kinds.contains(&kind)
}

/// The data, the nonce, the tag and the type of a ciphertext.
fn split_ciphertext(text: &str) -> Option<[&str; 4]> {
    let inner = text.strip_prefix("ENC[AES256_GCM,data:")?.strip_suffix(']')?;
    let (data, rest) = inner.split_once(",iv:")?;
    let (iv, rest) = rest.split_once(",tag:")?;
    let (tag, kind) = rest.split_once(",type:")?;
    Some([data, iv, tag, kind])
}

/// The number of bytes in Base64; 0 for a text that is none.
fn decoded_length(part: &str) -> usize {
    STANDARD.decode(part).map_or(0, |bytes| bytes.len())
}
