//! Encrypts and decrypts single values of a SOPS file: AES-256-GCM with a nonce of 32 bytes, and the value's path as
//! additional data (getsops/sops, `aes/cipher.go`).

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::rand_core::RngCore as _;
use aes_gcm::aead::{AeadInPlace as _, KeyInit as _, OsRng};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::scalar::format_float;
use crate::secret::DataKey;

const NONCE: usize = 32;

type SopsAesGcm = AesGcm<Aes256, U32>;

/// Whether a text has the form of a ciphertext.
pub fn is_encrypted(text: &str) -> bool {
    text.starts_with("ENC[AES256_GCM,")
}

/// A text's encryption, as SOPS writes it.
pub fn encrypt_value(plain: &[u8], key: &DataKey, aad: &str) -> Option<String> {
    let mut nonce = [0; NONCE];
    OsRng.try_fill_bytes(&mut nonce).ok()?;
    let mut data = Zeroizing::new(plain.to_vec());
    let cipher = SopsAesGcm::new(key.expose_secret().into());
    let tag = cipher.encrypt_in_place_detached(&nonce.into(), aad.as_bytes(), &mut data).ok()?;
    let [data, iv, tag] = [data.as_slice(), &nonce, tag.as_slice()].map(|part| STANDARD.encode(part));
    Some(format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]"))
}

/// Decrypts a value to the text that the MAC covers; `None` if the text is no ciphertext, or one of another key or path.
pub fn decrypt_value(text: &str, key: &DataKey, aad: &str) -> Option<Zeroizing<Vec<u8>>> {
    let inner = text.strip_prefix("ENC[AES256_GCM,data:")?;
    // SOPS itself ignores what follows the bracket, such as the CR of a Windows line end.
    let (inner, _) = inner.rsplit_once(']')?;
    let (data, rest) = inner.split_once(",iv:")?;
    let (iv, rest) = rest.split_once(",tag:")?;
    let (tag, kind) = rest.split_once(",type:")?;
    let mut data = Zeroizing::new(STANDARD.decode(data).ok()?);
    let iv: [u8; NONCE] = STANDARD.decode(iv).ok()?.try_into().ok()?;
    let tag: [u8; 16] = STANDARD.decode(tag).ok()?.try_into().ok()?;
    let cipher = SopsAesGcm::new(key.expose_secret().into());
    let nonce: &GenericArray<u8, U32> = (&iv).into();
    cipher.decrypt_in_place_detached(nonce, aad.as_bytes(), &mut data, &Tag::from(tag)).ok()?;
    canonical_plaintext(data, kind)
}

/// Writes a number or a truth value as SOPS does before it hashes it: it parses the text and formats it anew.
fn canonical_plaintext(data: Zeroizing<Vec<u8>>, kind: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(&data).ok();
    let written = match kind {
        "float" if !matches!(text?, "NaN" | "+Inf" | "-Inf") => format_float(text?)?,
        "int" => text?.parse::<i64>().ok()?.to_string(),
        "bool" => match text? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => "True".to_owned(),
            _ => "False".to_owned(),
        },
        "str" | "float" | "time" | "bytes" => return Some(data),
        _ => return None,
    };
    Some(Zeroizing::new(written.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::take_from_slice(&mut [7; 32]).unwrap()
    }

    #[test]
    fn a_value_is_bound_to_its_place_and_key() {
        let text = encrypt_value(b"hush", &key(), "a:b:").unwrap();
        assert_ne!(text, encrypt_value(b"hush", &key(), "a:b:").unwrap(), "the nonce is fresh");
        assert_eq!(decrypt_value(&text, &key(), "a:b:").unwrap().as_slice(), b"hush");
        assert_eq!(decrypt_value(&format!("{text}\r"), &key(), "a:b:").unwrap().as_slice(), b"hush");
        assert!(decrypt_value(&text, &key(), "a:c:").is_none());
        assert!(decrypt_value(&text, &DataKey::take_from_slice(&mut [8; 32]).unwrap(), "a:b:").is_none());
        for broken in [
            "",
            "ENC[AES256_GCM,data:",
            "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]",
            &text.replace("str", "x"),
        ] {
            assert!(decrypt_value(broken, &key(), "a:b:").is_none());
        }
    }
}
