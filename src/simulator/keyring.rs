//! Holds the private keys of the destinations, with which the simulated applications decrypt; keytide never has them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read as _;
use std::rc::Rc;

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;

use crate::destinations::encryption::{PublicKey, SealedPayload};

/// An access key ID and its secret, as an application reads them.
pub type CredentialPair = (Rc<str>, Rc<str>);

pub struct Keyring {
    age: age::x25519::Identity,
    sealed: crypto_box::SecretKey,
    /// What was decrypted before: the same ciphertext always gives the same plaintext.
    opened: RefCell<HashMap<Vec<u8>, Option<CredentialPair>>>,
}

impl Keyring {
    pub fn generate() -> Self {
        Self {
            age: age::x25519::Identity::generate(),
            sealed: crypto_box::SecretKey::generate(&mut OsRng),
            opened: RefCell::default(),
        }
    }

    /// The recipient of the age files.
    pub fn age_recipient(&self) -> String {
        self.age.to_public().to_string()
    }

    /// The identity that decrypts the age files; every simulation generates its own.
    pub fn age_identity(&self) -> String {
        self.age.to_string().expose_secret().to_owned()
    }

    /// The public key of the store.
    pub fn public_key(&self) -> PublicKey {
        PublicKey { key_id: "1".to_owned(), key: STANDARD.encode(self.sealed.public_key().as_bytes()) }
    }

    /// Decrypts an age file with `NAME=VALUE` lines.
    pub fn open_file(&self, bytes: &[u8]) -> Option<CredentialPair> {
        // Decryption takes most of the time of a simulation, which checks every destination at every change.
        if let Some(known) = self.opened.borrow().get(bytes) {
            return known.clone();
        }
        let pair = self.decrypt_age(bytes).and_then(|text| {
            Some((find_value(&text, "AWS_ACCESS_KEY_ID")?, find_value(&text, "AWS_SECRET_ACCESS_KEY")?))
        });
        self.opened.borrow_mut().insert(bytes.to_vec(), pair.clone());
        pair
    }

    fn decrypt_age(&self, bytes: &[u8]) -> Option<String> {
        let decryptor = age::Decryptor::new(age::armor::ArmoredReader::new(bytes)).ok()?;
        let mut reader = decryptor.decrypt(std::iter::once(&self.age as &dyn age::Identity)).ok()?;
        let mut text = String::new();
        reader.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Decrypts a store's secrets: the access key ID is the first, the secret access key the second.
    pub fn open_payloads(&self, payloads: &[SealedPayload]) -> Option<CredentialPair> {
        let [id, secret] = payloads else { return None };
        Some((self.open_sealed_box(&id.encrypted_value)?, self.open_sealed_box(&secret.encrypted_value)?))
    }

    fn open_sealed_box(&self, value: &str) -> Option<Rc<str>> {
        let mut opened = self.opened.borrow_mut();
        let entry = opened.entry(value.as_bytes().to_vec()).or_insert_with(|| {
            let text = String::from_utf8(self.sealed.unseal(&STANDARD.decode(value).ok()?).ok()?).ok()?;
            let text: Rc<str> = text.into();
            Some((text.clone(), text))
        });
        entry.as_ref().map(|(text, _)| text.clone())
    }
}

/// The value of a `NAME=VALUE` line, without quotes.
fn find_value(text: &str, name: &str) -> Option<Rc<str>> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).into())
}
