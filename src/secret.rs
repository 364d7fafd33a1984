//! Types for secrets in memory: the secret access key of a credential, the data key of a SOPS file, and the content of a
//! secret in a store.
//!
//! They cannot be printed, copied or serialized, and they are wiped from memory when they are dropped. Code that needs
//! the bytes calls `expose_secret`, so a reviewer can search for that word.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::sanitize::hide_secret;

/// The length of a data key of SOPS, in bytes.
pub const DATA_KEY_LEN: usize = 32;

/// An access key: its ID, which is not secret, and its secret access key, or what a destination gets in its place.
pub struct Credential {
    id: String,
    secret: SecretString,
    /// The SMTP password of Amazon SES, for a destination that gets it beside the secret access key.
    smtp_password: Option<SecretString>,
}

impl Credential {
    /// Takes ownership of the secret and wipes the string that it came in.
    pub fn new(id: impl Into<String>, secret: String) -> Self {
        Self { id: id.into(), secret: into_secret(secret), smtp_password: None }
    }

    /// The same credential with an SMTP password beside the secret. Wipes the string that it came in.
    pub fn with_smtp_password(self, password: String) -> Self {
        Self { smtp_password: Some(into_secret(password)), ..self }
    }

    pub fn access_key_id(&self) -> &str {
        &self.id
    }

    pub fn expose_secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// All values: the access key ID, the secret, and the SMTP password if there is one beside it.
    pub fn expose_values(&self) -> Vec<&str> {
        let mut values = vec![self.access_key_id(), self.expose_secret()];
        values.extend(self.smtp_password.as_ref().map(ExposeSecret::expose_secret));
        values
    }

    /// Whether the other one has the same values.
    pub fn has_same_values(&self, other: &Self) -> bool {
        self.expose_values() == other.expose_values()
    }

    /// Replaces the secret, the SMTP password and their Base64 in a text by `…`.
    pub fn hide_values(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for value in self.expose_values().into_iter().skip(1) {
            shown = hide_secret(&shown, value);
            for encoded in encode_within_text(value) {
                shown = hide_secret(&shown, &encoded);
            }
        }
        shown
    }
}

/// A value in Base64, alone and within a longer text: three bytes become four signs, so the signs depend on how many bytes
/// are before it.
fn encode_within_text(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = Vec::new();
    for before in ["", "x", "xx"] {
        // As long as it gets: a text that grew would leave a copy of itself behind
        let mut text = Zeroizing::new(String::with_capacity(before.len() + value.len()));
        text.push_str(before);
        text.push_str(value);
        forms.extend([STANDARD, URL_SAFE].map(|engine| Zeroizing::new(engine.encode(text.as_bytes()))));
    }
    forms
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, secret, smtp_password } = self;
        let mut shown = f.debug_struct("Credential");
        shown.field("id", id).field("secret", secret).field("smtp_password", smtp_password).finish()
    }
}

/// Turns a text with secrets into a [`SecretString`] and wipes the string that it came in.
pub fn into_secret(mut text: String) -> SecretString {
    // A string with room to spare would be moved when it is boxed, and leave a copy behind.
    let exact: Box<str> = text.as_str().into();
    text.zeroize();
    SecretString::from(exact)
}

/// The key with which SOPS encrypts every value of a file.
pub struct DataKey(SecretBox<[u8; DATA_KEY_LEN]>);

impl DataKey {
    /// Takes the key and wipes the bytes that it came in, also when it returns `None` because of a wrong length.
    pub fn take_from_slice(bytes: &mut [u8]) -> Option<Self> {
        let key = if bytes.len() == DATA_KEY_LEN {
            // Written in place: a key that is moved would leave a copy on the stack.
            let key = SecretBox::init_with_mut(|key: &mut [u8; DATA_KEY_LEN]| key.copy_from_slice(bytes));
            Some(Self(key))
        } else {
            None
        };
        bytes.zeroize();
        key
    }

    pub fn expose_secret(&self) -> &[u8; DATA_KEY_LEN] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

/// Does not compile when a type that holds a secret has a trait that lets it out: then `_` could be two types.
#[cfg(test)]
macro_rules! lacks {
    ($type:ty: $($trait:path),+) => {$(
        const _: () = {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Has;
            impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
            let _ = <$type as Ambiguous<_>>::check;
        };
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    lacks!(Credential: Clone, fmt::Display, serde::Serialize, AsRef<str>, Into<String>, PartialEq);
    lacks!(DataKey: Clone, fmt::Display, serde::Serialize, AsRef<[u8]>, PartialEq);

    #[test]
    fn a_credential_shows_its_id_only() {
        let pair = || Credential::new("AKIAQRSTUVWXYZ234567", "hush".to_owned());
        let credential = pair().with_smtp_password("hush, too".to_owned());
        assert_eq!(credential.expose_values(), ["AKIAQRSTUVWXYZ234567", "hush", "hush, too"]);
        assert!(pair().has_same_values(&pair()) && !pair().has_same_values(&credential));
        let text = format!("{credential:?} {credential:#?}");
        assert!(text.contains("AKIAQRSTUVWXYZ234567") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn a_text_is_shown_without_the_values() {
        let (secret, password) =
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91a");
        let credential = Credential::new("AKIAQRSTUVWXYZ234567", secret.to_owned());
        let credential = credential.with_smtp_password(password.to_owned());
        for value in [secret, password] {
            let (alone, url) = (STANDARD.encode(value), URL_SAFE.encode(format!("?{value}?")));
            let within = STANDARD.encode(format!("{{\"v\":\"{value}\"}}"));
            let text =
                format!("AKIAQRSTUVWXYZ234567: {value}, {alone}, {url}, {within} and {}", &value[..20]);
            let shown = credential.hide_values(&text);
            assert!(shown.starts_with("AKIAQRSTUVWXYZ234567: …, …"), "{shown}");
            for form in [value, &*alone, &*url, &*within] {
                let mut parts = (4..form.len() - 12).map(|at| &form[at..at + 8]);
                assert_eq!(parts.find(|part| shown.contains(part)), None, "{form}: {shown}");
            }
        }
    }

    #[test]
    fn a_data_key_has_32_bytes_and_shows_none() {
        let mut bytes = [7; 32];
        let key = DataKey::take_from_slice(&mut bytes).unwrap();
        assert_eq!((key.expose_secret(), bytes), (&[7; 32], [0; 32]));
        assert!(!format!("{key:?}").contains('7'));
        let mut short = [7; 31];
        assert!(DataKey::take_from_slice(&mut short).is_none());
        assert_eq!(short, [0; 31]);
    }
}
