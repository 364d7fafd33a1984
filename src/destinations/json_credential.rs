//! Reads and replaces the two values of a credential in a JSON object, for stores that hold JSON text.
//!
//! The object's other fields belong to others: every other byte stays, and no message quotes the text.

use std::fmt;
use std::ops::Range;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::encryption::EXAMPLE;
use crate::hash::sha256_hex;
use crate::repository::AccessKeyId;
use crate::sanitize::mask_key_id;
use crate::secret::{Credential, into_secret};

/// The length of a fingerprint in hexadecimal digits.
pub const FINGERPRINT_DIGITS: usize = 24;

/// Identifies a credential in the journal and in the names that keytide gives to versions.
pub fn key_fingerprint(key_id: &str) -> String {
    let mut digest = sha256_hex(key_id.as_bytes());
    digest.truncate(FINGERPRINT_DIGITS);
    digest
}

/// The fields of a JSON object that hold a credential.
#[derive(Debug, Clone, Copy)]
pub struct JsonCredential<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a str,
    /// The longest text that the store takes.
    pub max_bytes: usize,
    /// What the store calls the thing that holds the text, for messages.
    pub container: &'a str,
}

/// Why a text does not hold a credential, or cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonTextError {
    pub message: String,
    pub help: String,
}

/// What is wrong with an access key ID that a store holds, and what to do, where it is not the user's; `old`: the user's
/// only key, `None` if it has none. A text that is no access key ID is a placeholder, and so is an example's.
pub fn describe_other_key(held: &str, old: Option<&str>) -> Option<(String, &'static str)> {
    let held = AccessKeyId::parse(held.as_bytes())?;
    let key = mask_key_id(held.as_str());
    match old {
        Some(old) if old == held.as_str() => None,
        Some(_) => Some((
            format!("it holds the access key {key}, which is none of this user's"),
            "correct the destination, or write the user's access key there",
        )),
        None => Some((
            format!("it holds the access key {key}, and this user has none"),
            "correct the destination, or write a placeholder there if nothing needs the key",
        )),
    }
}

impl JsonTextError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// A value in the text, with the quotes, and what replaces it.
struct ValueEdit {
    place: Range<usize>,
    value: Zeroizing<String>,
}

impl JsonCredential<'_> {
    /// Checks that a new credential could replace the old one, where that is known, in a text.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_text(&self, text: &str, old: Option<&str>) -> Result<(), JsonTextError> {
        let (id, secret) = EXAMPLE;
        // A trial merge: the length and both fields are checked before there is a key that could be lost.
        // As long as an SMTP password of SES, which is longer than a secret access key.
        self.merge_credential(text, &Credential::new(id, format!("{secret}====")))?;
        let held = self.read_credential(text)?;
        match describe_other_key(held.access_key_id(), old) {
            Some((message, help)) => Err(JsonTextError::new(message, help)),
            None => Ok(()),
        }
    }

    /// The credential in a text.
    ///
    /// # Errors
    /// The text is no JSON object with the two fields.
    pub fn read_credential(&self, text: &str) -> Result<Credential, JsonTextError> {
        let [id, secret] = self.find_values(text)?;
        Ok(Credential::new(read_string(text, id)?, read_string(text, secret)?))
    }

    /// The text with another credential in it.
    ///
    /// # Errors
    /// The text is no JSON object with the two fields, or would be longer than the store takes.
    pub fn merge_credential(
        &self,
        text: &str,
        credential: &Credential,
    ) -> Result<SecretString, JsonTextError> {
        let [id, secret] = self.find_values(text)?;
        let mut edits = [
            ValueEdit { place: id, value: quote_value(credential.access_key_id()) },
            ValueEdit { place: secret, value: quote_value(credential.expose_secret()) },
        ];
        // The policy file names the fields in its own order, the text has them in any.
        edits.sort_by_key(|edit| edit.place.start);
        // As long as it can get: a text that grew would leave a copy of itself behind.
        let length = text.len() + edits.iter().map(|edit| edit.value.len()).sum::<usize>();
        let mut merged = Zeroizing::new(String::with_capacity(length));
        let mut copied = 0;
        for ValueEdit { place, value } in edits {
            merged.push_str(text.get(copied..place.start).unwrap_or_default());
            merged.push_str(&value);
            copied = place.end;
        }
        merged.push_str(text.get(copied..).unwrap_or_default());
        if merged.len() > self.max_bytes {
            return Err(JsonTextError::new(
                format!("it would have more than {} bytes", self.max_bytes),
                format!("keep the credential in a {} of its own", self.container),
            ));
        }
        Ok(into_secret(std::mem::take(&mut *merged)))
    }

    /// The places of the two values: the access key ID, then the secret access key.
    fn find_values(&self, text: &str) -> Result<[Range<usize>; 2], JsonTextError> {
        let names = [self.access_key_id, self.secret_access_key];
        if names[0] == names[1] {
            return Err(JsonTextError::new(
                "both fields have one name",
                "name two fields in the policy file",
            ));
        }
        // The parser's own message may quote the text.
        let fields: JsonFields<'_> = serde_json::from_str(text).map_err(|_| {
            let help = format!("make it one with the fields `{}` and `{}`", names[0], names[1]);
            JsonTextError::new("it is no JSON object", help)
        })?;
        Ok([fields.find_value(text, names[0])?, fields.find_value(text, names[1])?])
    }
}

fn quote_value(value: &str) -> Zeroizing<String> {
    serde_json::to_string(value).map(Zeroizing::new).unwrap_or_default()
}

fn read_string(text: &str, place: Range<usize>) -> Result<String, JsonTextError> {
    let plain = text.get(place).and_then(|value| serde_json::from_str::<String>(value).ok());
    plain.ok_or_else(|| JsonTextError::new("one of its two fields is no text", "write a text there"))
}

/// The fields of a JSON object, each value as its part of the text.
struct JsonFields<'t>(Vec<(String, &'t RawValue)>);

impl JsonFields<'_> {
    /// The place of a field's value in the text.
    fn find_value(&self, text: &str, name: &str) -> Result<Range<usize>, JsonTextError> {
        // Parsers differ in which of two equal fields they take, so a text with two is refused.
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => find_string(text, name, value.get()),
            (Some(_), Some(_)) => {
                Err(JsonTextError::new(format!("it has the field `{name}` twice"), "remove one of them"))
            }
            (None, _) => {
                let help = "add it, with any text, or correct its name in the policy file";
                Err(JsonTextError::new(format!("it has no field `{name}`"), help))
            }
        }
    }
}

fn find_string(text: &str, name: &str, value: &str) -> Result<Range<usize>, JsonTextError> {
    // serde_json borrows raw values from the text, so their addresses give the places without a second parser.
    let start = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    let place = start.map(|start| start..start + value.len());
    let is_string = value.starts_with('"');
    place.filter(|place| is_string && text.get(place.clone()) == Some(value)).ok_or_else(|| {
        JsonTextError::new(format!("its field `{name}` is no text"), "write a text there, in quotes")
    })
}

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
