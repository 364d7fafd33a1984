//! A secret of AWS Secrets Manager: a JSON object, two of whose fields are the credential. The store encrypts it.
//!
//! Other fields are other people's: of the text only the two values change, and nothing here quotes it. A version that
//! keytide puts there is named after the credential and what it was merged onto: so a repetition is harmless, and which
//! credential the version holds is known without reading it.

#[cfg(feature = "online")]
pub mod client;
pub mod versions;

use std::fmt;
use std::ops::Range;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::encryption::{EXAMPLE, SealError};
use super::kind::DestinationKind;
use crate::hash::sha256_hex;
use crate::policy::file::SecretsManager;
use crate::repository::AccessKeyId;
use crate::rotation::{DestinationId, StorageKind, ids};
use crate::sanitize::mask_key_id;
use crate::secret::{Credential, into_secret};

/// What the names of keytide's versions begin with.
const OWN: &str = "keytide-";
/// So many hexadecimal digits tell the credential of a version, its destination, and what it was merged onto. The whole
/// name has at most 64 characters.
const PARTS: [usize; 3] = [24, 12, 16];
/// The longest text that Secrets Manager takes, in bytes.
const MAX_TEXT: usize = 65_536;

/// What stands for a credential in the journal and in the names of versions.
pub fn key_fingerprint(key_id: &str) -> String {
    truncated_sha256(key_id, PARTS[0])
}

/// Whether keytide made a version, for whatever destination.
pub fn is_own(version: &str) -> bool {
    version.starts_with(OWN)
}

fn truncated_sha256(text: &str, digits: usize) -> String {
    let mut digest = sha256_hex(text.as_bytes());
    digest.truncate(digits);
    digest
}

impl DestinationKind for SecretsManager {
    fn identity(&self) -> Option<(DestinationId, StorageKind)> {
        Some((ids::destination_id("secrets_manager", &self.destination_target()), StorageKind::Versioned))
    }

    fn takes_plaintext(&self) -> bool {
        true
    }
}

impl SecretsManager {
    /// What tells this destination from others, of the same secret too.
    pub fn destination_target(&self) -> String {
        let Self { secret_id, region, access_key_id, secret_access_key } = self;
        format!("{region}:{secret_id}:{access_key_id}+{secret_access_key}")
    }

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
        let is_ours =
            place == truncated_sha256(&self.destination_target(), PARTS[1]) && parts.next().is_none();
        (is_ours && marker.len() == PARTS[0] && base.len() == PARTS[2]).then_some(marker)
    }

    /// Whether a new credential could be put into a text, in the place of the old one where that is known.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_json(&self, text: &str, old: Option<&str>) -> Result<(), SealError> {
        let (id, secret) = EXAMPLE;
        self.merge_credential(text, &Credential::new(id, secret.to_owned()))?;
        let held = self.read_credential(text)?;
        match AccessKeyId::parse(held.access_key_id().as_bytes()) {
            Some(other) if old.is_some_and(|old| old != other.as_str()) => Err(self.seal_error(
                format!(
                    "it holds the access key {}, which is none of this user's",
                    mask_key_id(other.as_str())
                ),
                "correct the destination, or write the user's access key there",
            )),
            _ => Ok(()),
        }
    }

    /// The credential in a text.
    ///
    /// # Errors
    /// The text is no JSON object with the two fields.
    pub fn read_credential(&self, text: &str) -> Result<Credential, SealError> {
        let [id, secret] = self.find_values(text)?;
        let value = |place: Range<usize>| {
            let plain = text.get(place).and_then(|value| serde_json::from_str::<String>(value).ok());
            plain.ok_or_else(|| self.seal_error("one of its two fields is no text", "write a text there"))
        };
        Ok(Credential::new(value(id)?, value(secret)?))
    }

    /// The text with another credential in it; every other byte stays.
    ///
    /// # Errors
    /// The text is no JSON object with the two fields, or would be longer than Secrets Manager takes.
    pub fn merge_credential(&self, text: &str, credential: &Credential) -> Result<SecretString, SealError> {
        let [id, secret] = self.find_values(text)?;
        let quoted = |value: &str| serde_json::to_string(value).map(Zeroizing::new).unwrap_or_default();
        let mut edits =
            [(id, quoted(credential.access_key_id())), (secret, quoted(credential.expose_secret()))];
        edits.sort_by_key(|(place, _)| place.start);
        // As long as it can get: a text that grew would leave a copy of itself behind.
        let length = text.len() + edits.iter().map(|(_, value)| value.len()).sum::<usize>();
        let mut merged = Zeroizing::new(String::with_capacity(length));
        let mut copied = 0;
        for (place, value) in edits {
            merged.push_str(text.get(copied..place.start).unwrap_or_default());
            merged.push_str(&value);
            copied = place.end;
        }
        merged.push_str(text.get(copied..).unwrap_or_default());
        if merged.len() > MAX_TEXT {
            let what = format!("it would have more than {MAX_TEXT} bytes");
            return Err(self.seal_error(what, "keep the credential in a secret of its own"));
        }
        Ok(into_secret(std::mem::take(&mut *merged)))
    }

    /// Where the two values stand: the access key ID, then the secret access key.
    fn find_values(&self, text: &str) -> Result<[Range<usize>; 2], SealError> {
        let names = [&self.access_key_id, &self.secret_access_key];
        if names[0] == names[1] {
            return Err(self.seal_error("both fields have one name", "name two fields in the policy file"));
        }
        // What the parser has to say may quote the text.
        let fields: JsonFields<'_> = serde_json::from_str(text).map_err(|_| {
            let help = format!("make it one with the fields `{}` and `{}`", names[0], names[1]);
            self.seal_error("it is no JSON object", help)
        })?;
        let place = |name: &String| {
            let mut found = fields.0.iter().filter(|(field, _)| field == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => self.find_value(text, name, value.get()),
                (Some(_), Some(_)) => {
                    Err(self.seal_error(format!("it has the field `{name}` twice"), "remove one of them"))
                }
                (None, _) => {
                    let help = "add it, with any text, or correct its name in the policy file";
                    Err(self.seal_error(format!("it has no field `{name}`"), help))
                }
            }
        };
        Ok([place(names[0])?, place(names[1])?])
    }

    fn find_value(&self, text: &str, name: &str, value: &str) -> Result<Range<usize>, SealError> {
        let start = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
        let place = start.map(|start| start..start + value.len());
        let is_text = value.starts_with('"');
        place.filter(|place| is_text && text.get(place.clone()) == Some(value)).ok_or_else(|| {
            self.seal_error(format!("its field `{name}` is no text"), "write a text there, in quotes")
        })
    }

    /// A refusal that says which secret it is about.
    pub fn seal_error(&self, what: impl fmt::Display, help: impl Into<String>) -> SealError {
        SealError::outside_files(format!("`secrets_manager {}`: {what}", self.destination_target()), help)
    }
}

/// The fields of a JSON object as they stand in the text.
struct JsonFields<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for JsonFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = JsonFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(JsonFields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
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
            let told = secret().check_json(text, Some(ID)).unwrap_err().to_string();
            assert!(told.starts_with("`secrets_manager eu-west-1:prod/aws:key_id+secret`: "), "{told}");
            assert!(!told.contains("hush"), "{told}");
            told
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
