//! Reads and replaces the values of a credential in a JSON object, for stores that hold JSON text.
//!
//! The object's other fields belong to others: every other byte stays, and no message quotes the text.

use std::fmt;
use std::ops::Range;

use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::encryption::example_credential;
use super::value_names::{has_repeated_name, list_names};
use crate::hash::sha256_hex;
use crate::repository::AccessKeyId;
use crate::sanitize::mask_key_id;
use crate::secret::{Credential, into_secret};
use crate::sentences::join_words;

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
    /// Beside the secret access key.
    pub ses_smtp_password: Option<&'a String>,
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
        // A trial merge: the length and all fields are checked before there is a key that could be lost.
        self.merge_credential(text, &example_credential(self.names().len()))?;
        let held = self.read_credential(text)?;
        match describe_other_key(held.access_key_id(), old) {
            Some((message, help)) => Err(JsonTextError::new(message, help)),
            None => Ok(()),
        }
    }

    /// The credential in a text.
    ///
    /// # Errors
    /// The text is no JSON object with the fields.
    pub fn read_credential(&self, text: &str) -> Result<Credential, JsonTextError> {
        let places = self.find_values(text)?;
        let credential = Credential::new(read_string(text, &places[0])?, read_string(text, &places[1])?);
        match places.get(2) {
            Some(place) => Ok(credential.with_smtp_password(read_string(text, place)?)),
            None => Ok(credential),
        }
    }

    /// A text with the credential alone.
    ///
    /// # Errors
    /// As for [`Self::merge_credential`].
    pub fn write_alone(&self, credential: &Credential) -> Result<SecretString, JsonTextError> {
        let mut empty = serde_json::Map::new();
        for name in self.names() {
            empty.insert(name.to_owned(), "".into());
        }
        self.merge_credential(&serde_json::Value::Object(empty).to_string(), credential)
    }

    /// The text with another credential in it.
    ///
    /// # Errors
    /// The text is no JSON object with the fields, or would be longer than the store takes.
    pub fn merge_credential(
        &self,
        text: &str,
        credential: &Credential,
    ) -> Result<SecretString, JsonTextError> {
        let (places, values) = (self.find_values(text)?, credential.expose_values());
        if places.len() != values.len() {
            return Err(JsonTextError::new("the credential has another number of values", "report this"));
        }
        let mut edits: Vec<ValueEdit> = Vec::new();
        for (place, value) in places.into_iter().zip(values) {
            edits.push(ValueEdit { place, value: quote_value(value) });
        }
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

    fn names(&self) -> Vec<&str> {
        list_names(self.access_key_id, self.secret_access_key, self.ses_smtp_password)
    }

    /// The places of the values, in the order of the names.
    fn find_values(&self, text: &str) -> Result<Vec<Range<usize>>, JsonTextError> {
        let names = self.names();
        if has_repeated_name(&names, str::eq) {
            return Err(JsonTextError::new(
                "two fields have one name",
                "name a field for each value in the policy file",
            ));
        }
        // The parser's own message may quote the text.
        let fields: JsonFields<'_> = serde_json::from_str(text).map_err(|_| {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let help = format!("make it one with the fields {}", join_words(&quoted));
            JsonTextError::new("it is no JSON object", help)
        })?;
        let mut places = Vec::new();
        for name in names {
            places.push(fields.find_value(text, name)?);
        }
        Ok(places)
    }
}

fn quote_value(value: &str) -> Zeroizing<String> {
    serde_json::to_string(value).map(Zeroizing::new).unwrap_or_default()
}

fn read_string(text: &str, place: &Range<usize>) -> Result<String, JsonTextError> {
    let plain = text.get(place.clone()).and_then(|value| serde_json::from_str::<String>(value).ok());
    plain.ok_or_else(|| JsonTextError::new("one of its fields is no text", "write a text there"))
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_third_field_holds_the_smtp_password() {
        let smtp = "smtp".to_owned();
        let fields = JsonCredential {
            access_key_id: "id",
            secret_access_key: "secret",
            ses_smtp_password: Some(&smtp),
            max_bytes: 1_000,
            container: "secret",
        };
        let text = r#"{ "smtp":"old", "id": "", "other" : 1, "secret": "s" }"#;
        let credential = || Credential::new("AKIA1", "new".to_owned());
        let complete = credential().with_smtp_password("BPass".to_owned());
        let merged = fields.merge_credential(text, &complete).unwrap();
        let wanted = r#"{ "smtp":"BPass", "id": "AKIA1", "other" : 1, "secret": "new" }"#;
        assert_eq!(merged.expose_secret(), wanted);
        assert!(fields.read_credential(wanted).unwrap().has_same_values(&complete));
        assert_eq!(fields.read_credential(text).unwrap().expose_values(), ["", "s", "old"]);
        let alone = fields.write_alone(&complete).unwrap();
        assert_eq!(alone.expose_secret(), r#"{"id":"AKIA1","secret":"new","smtp":"BPass"}"#);
        let refused = |text: &str| fields.check_text(text, None).unwrap_err().message;
        assert_eq!(fields.check_text(text, None), Ok(()));
        assert_eq!(refused(r#"{ "id": "", "secret": "" }"#), "it has no field `smtp`");
        assert_eq!(refused(r#"{ "id": "", "secret": "", "smtp": 1 }"#), "its field `smtp` is no text");
        assert!(fields.merge_credential(text, &credential()).is_err(), "a field would stay as it is");
    }
}
