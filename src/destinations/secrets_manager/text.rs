//! Reads and replaces the credential in the JSON text of a secret, and names the versions that keytide creates.

use std::fmt;

use secrecy::SecretString;

use crate::destinations::encryption::SealError;
use crate::destinations::json_credential::{
    FINGERPRINT_DIGITS, JsonCredential, JsonTextError, key_fingerprint,
};
use crate::hash::sha256_hex;
use crate::policy::file::SecretsManager;
use crate::secret::Credential;

/// What the names of keytide's versions begin with.
const OWN: &str = "keytide-";
/// The lengths, in hexadecimal digits, of the parts of a version's name: the credential, the destination, and the version
/// that it was merged onto. The whole name has at most 64 characters.
const PARTS: [usize; 3] = [FINGERPRINT_DIGITS, 12, 16];
/// The longest text that Secrets Manager takes, in bytes.
const MAX_TEXT: usize = 65_536;

/// Whether keytide created a version, for any destination.
pub fn is_own(version: &str) -> bool {
    version.starts_with(OWN)
}

fn truncated_sha256(text: &str, digits: usize) -> String {
    let mut digest = sha256_hex(text.as_bytes());
    digest.truncate(digits);
    digest
}

impl SecretsManager {
    /// The name of the version that holds a credential, merged onto another version.
    pub fn version_id(&self, key_id: &str, base: &str) -> String {
        format!(
            "{OWN}{}-{}-{}",
            key_fingerprint(key_id),
            truncated_sha256(&self.destination_target(), PARTS[1]),
            truncated_sha256(base, PARTS[2])
        )
    }

    /// The marker of the credential in a version that keytide made for this destination; `None` for any other.
    pub fn marker_of<'v>(&self, version: &'v str) -> Option<&'v str> {
        let mut parts = version.strip_prefix(OWN)?.split('-');
        let [marker, place, base] = [parts.next()?, parts.next()?, parts.next()?];
        // Two destinations can be in one secret, each with its own credential.
        let is_ours =
            place == truncated_sha256(&self.destination_target(), PARTS[1]) && parts.next().is_none();
        (is_ours && marker.len() == PARTS[0] && base.len() == PARTS[2]).then_some(marker)
    }

    /// Checks that a new credential could replace the old one, where that is known, in a text.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_json(&self, text: &str, old: Option<&str>) -> Result<(), SealError> {
        self.json_fields().check_text(text, old).map_err(|why| self.text_error(why))
    }

    /// The credential in a text.
    ///
    /// # Errors
    /// The text is no JSON object with the fields.
    pub fn read_credential(&self, text: &str) -> Result<Credential, SealError> {
        self.json_fields().read_credential(text).map_err(|why| self.text_error(why))
    }

    /// The text with another credential in it; every other byte stays.
    ///
    /// # Errors
    /// The text is no JSON object with the fields, or would be longer than Secrets Manager takes.
    pub fn merge_credential(&self, text: &str, credential: &Credential) -> Result<SecretString, SealError> {
        self.json_fields().merge_credential(text, credential).map_err(|why| self.text_error(why))
    }

    fn json_fields(&self) -> JsonCredential<'_> {
        JsonCredential {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            ses_smtp_password: self.ses_smtp_password.as_ref(),
            max_bytes: MAX_TEXT,
            container: "secret",
        }
    }

    fn text_error(&self, why: JsonTextError) -> SealError {
        self.seal_error(why.message, why.help)
    }

    /// A refusal that says which secret it is about.
    pub fn seal_error(&self, what: impl fmt::Display, help: impl Into<String>) -> SealError {
        SealError::outside_files(format!("`secrets_manager {}`: {what}", self.destination_target()), help)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const ID: &str = "AKIAQRSTUVWXYZ234567";
    const SECRET: &str = "a/+bcdefghijklmnopqrstuvwxyzABCDEFGHIJKL";

    fn secret() -> SecretsManager {
        SecretsManager {
            secret_id: "prod/aws".to_owned(),
            region: "eu-west-1".to_owned(),
            ses_smtp_password: None,
            access_key_id: "key_id".to_owned(),
            secret_access_key: "secret".to_owned(),
        }
    }

    fn credential() -> Credential {
        Credential::new(ID, SECRET.to_owned())
    }

    #[test]
    fn two_values_change_and_no_other_byte() {
        let text = "\n{ \"n\": 1.50, \"secret\" : \"old\\u0022\",\t\"x\": {\"key_id\": [\"é\", 1e400]},\r\n\"key_id\":\"\", \"n\": 2 }\n";
        let merged = secret().merge_credential(text, &credential()).unwrap();
        let wanted = text
            .replace("\"old\\u0022\"", &format!("\"{SECRET}\""))
            .replace("\"key_id\":\"\"", &format!("\"key_id\":\"{ID}\""));
        assert_eq!(merged.expose_secret(), wanted);
        let held = secret().read_credential(merged.expose_secret()).unwrap();
        assert_eq!((held.access_key_id(), held.expose_secret()), (ID, SECRET));
        let back = secret()
            .merge_credential(merged.expose_secret(), &secret().read_credential(text).unwrap())
            .unwrap();
        assert_eq!(back.expose_secret(), text.replace("\\u0022", "\\\""), "a quote is written in one way");
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused_and_not_quoted() {
        let refused = |text: &str| {
            let message = secret().check_json(text, Some(ID)).unwrap_err().to_string();
            assert!(message.starts_with("`secrets_manager eu-west-1:prod/aws:key_id+secret`: "), "{message}");
            assert!(!message.contains("hush"), "{message}");
            message
        };
        for text in ["hush", "\"hush\"", "[\"hush\"]", "{\"hush\": }", "", "{\"key_id\": \"hush\"} hush"] {
            assert!(refused(text).contains("it is no JSON object"), "{text}");
        }
        assert!(refused("{\"key_id\": \"hush\"}").contains("it has no field `secret`"));
        assert!(refused("{\"key_id\": 1, \"secret\": \"hush\"}").contains("`key_id` is no text"));
        let twice = "{\"key_id\": \"\", \"secret\": \"hush\", \"secret\": \"hush\"}";
        assert!(refused(twice).contains("`secret` twice"));
        let long = format!("{{\"key_id\": \"\", \"secret\": \"\", \"x\": \"{}\"}}", "hush".repeat(16_384));
        assert!(refused(&long).contains("more than 65536 bytes"));
        let others = concat!("{\"key_id\": \"AKIA", "QNZGKIQY56JQ7WML\", \"secret\": \"hush\"}");
        assert!(refused(others).contains("AKIA…7WML, which is none of this user's"), "{}", refused(others));
        for held in [ID, "to be filled in", ""] {
            let text = format!("{{\"key_id\": \"{held}\", \"secret\": \"hush\"}}");
            assert_eq!(secret().check_json(&text, Some(ID)), Ok(()));
        }
    }

    #[test]
    fn a_version_tells_its_credential_and_is_named_the_same_again() {
        let version = secret().version_id(ID, "v1");
        assert_eq!(version, secret().version_id(ID, "v1"));
        assert!((32..=64).contains(&version.len()), "{version}");
        assert_eq!(secret().marker_of(&version), Some(&*key_fingerprint(ID)));
        let beside = SecretsManager { secret_access_key: "secret_2".to_owned(), ..secret() };
        for another in
            [secret().version_id(ID, "v2"), beside.version_id(ID, "v1"), secret().version_id("AKIA", "v1")]
        {
            assert_ne!(another, version);
        }
        assert_eq!(beside.marker_of(&version), None, "the same secret, and another credential in it");
        for foreign in ["6b2f7c1e-9a5d-4c55-8f0e-0a4e5b1b8f11", "keytide-", "keytide-x-y-z", "keytide"] {
            assert_eq!(secret().marker_of(foreign), None);
        }
    }
}
