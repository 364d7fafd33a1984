//! Lets any destination hold the SMTP password of Amazon SES, beside the secret access key or in its place: reads the two
//! fields of the policy file, and derives the password.
//!
//! AWS, "Obtaining Amazon SES SMTP credentials": the user name is the access key ID; the password is a signature of the
//! secret access key for one region, so it opens nothing but the SMTP endpoint of that region.

use std::borrow::Cow;
use std::ops::Deref;

#[cfg(feature = "seal")]
use aws_lc_rs::hmac;
#[cfg(feature = "seal")]
use base64::Engine as _;
#[cfg(feature = "seal")]
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value, json};
#[cfg(feature = "seal")]
use zeroize::Zeroizing;

use crate::policy::scalar::{ONE_OF, is_region};
#[cfg(feature = "seal")]
use crate::secret::Credential;

const SECRET: &str = "secret_access_key";
const PASSWORD: &str = "ses_smtp_password";
const REGION: &str = "ses_region";

/// A destination that may hold an SMTP password. In the place of the secret access key, it has the field of that one in
/// `T`; beside it, a field of its own.
#[derive(Debug, Clone)]
pub struct WithSmtp<T> {
    /// Boxed: some kinds have many fields.
    destination: Box<T>,
    /// Boxed: few destinations have them.
    smtp: Box<SmtpFields>,
}

/// What the fields of an SMTP password say.
#[derive(Debug, Clone, Default)]
struct SmtpFields {
    password: Option<SmtpPassword>,
    missing: Option<MissingField>,
}

/// The SMTP password that a destination holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpPassword {
    /// What it is called there.
    pub name: String,
    /// The region of the SMTP endpoint.
    pub region: String,
    /// Whether the destination holds the secret access key as well.
    pub is_beside_secret: bool,
}

/// The field that the others need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingField {
    Secret,
    Region,
    Password,
}

impl MissingField {
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Secret => ("missing field `secret_access_key`", "add `secret_access_key: ...`"),
            Self::Region => (
                "`ses_smtp_password` requires `ses_region`",
                "add the region of the SMTP endpoint, such as `ses_region: eu-west-1`",
            ),
            Self::Password => (
                "`ses_region` requires `ses_smtp_password`",
                "remove it, or add `ses_smtp_password`, beside `secret_access_key` or in its place",
            ),
        }
    }
}

impl<T> WithSmtp<T> {
    /// A destination with an SMTP password, whose name `destination` has in the field for it.
    pub fn with_password(destination: T, password: SmtpPassword) -> Self {
        Self {
            destination: Box::new(destination),
            smtp: Box::new(SmtpFields { password: Some(password), missing: None }),
        }
    }

    pub fn smtp_password(&self) -> Option<&SmtpPassword> {
        self.smtp.password.as_ref()
    }

    /// Reports what is wrong between `secret_access_key` and the fields of the SMTP password.
    pub fn check_smtp_fields(&self, report: &mut dyn FnMut(String, &str)) {
        if let Some((message, help)) = self.smtp.missing.map(MissingField::describe) {
            report(message.to_owned(), help);
        }
        let Some(smtp) = &self.smtp.password else { return };
        if self.smtp.missing != Some(MissingField::Region) && !is_region(&smtp.region) {
            report("`ses_region` is no region".to_owned(), "write one such as `eu-west-1`");
        }
    }
}

impl<T> From<T> for WithSmtp<T> {
    fn from(destination: T) -> Self {
        Self { destination: Box::new(destination), smtp: Box::default() }
    }
}

impl<T> Deref for WithSmtp<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.destination
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for WithSmtp<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        // Taken out first: no kind knows the region, and all refuse what they do not know
        let name = take_text(&mut fields, PASSWORD).map_err(de::Error::custom)?;
        let region = take_text(&mut fields, REGION).map_err(de::Error::custom)?;
        let has_secret = fields.get(SECRET).is_some_and(|name| !name.is_null());
        let mut missing = match (&name, &region) {
            (Some(_), None) => Some(MissingField::Region),
            (None, Some(_)) => Some(MissingField::Password),
            _ => None,
        };
        if let Some(name) = &name {
            let field = if has_secret { PASSWORD } else { SECRET };
            fields.insert(field.to_owned(), name.as_str().into());
        }
        let destination = match parse_fields::<T>(&fields) {
            Err(error) if is_about_secret(&error) && !has_secret && name.is_none() => {
                missing = missing.or(Some(MissingField::Secret));
                // An empty text in its place, so that the faults of the other fields are found in the same run
                fields.insert(SECRET.to_owned(), "".into());
                parse_fields(&fields)
            }
            parsed => parsed,
        };
        let destination = destination.map(Box::new).map_err(de::Error::custom)?;
        let password = name.map(|name| SmtpPassword {
            name,
            region: region.unwrap_or_default(),
            is_beside_secret: has_secret,
        });
        Ok(Self { destination, smtp: Box::new(SmtpFields { password, missing }) })
    }
}

fn is_about_secret(error: &serde_json::Error) -> bool {
    // serde names a missing or unknown field only in its message
    error.to_string().contains(SECRET)
}

fn parse_fields<T: DeserializeOwned>(fields: &Map<String, Value>) -> serde_json::Result<T> {
    serde_json::from_value(Value::Object(fields.clone()))
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> serde_json::Result<Option<String>> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(de::Error::custom(format!("`{name}` is no text"))),
    }
}

impl<T: Serialize> Serialize for WithSmtp<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(SmtpPassword { name, region, is_beside_secret }) = &self.smtp.password else {
            return self.destination.serialize(serializer);
        };
        let mut fields = serde_json::to_value(&self.destination).map_err(ser::Error::custom)?;
        if let Some(fields) = fields.as_object_mut() {
            if !is_beside_secret {
                fields.remove(SECRET);
            }
            fields.insert(PASSWORD.to_owned(), name.as_str().into());
            fields.insert(REGION.to_owned(), region.as_str().into());
        }
        fields.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for WithSmtp<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("WithSmtp<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            let password = "The name of the SMTP password of Amazon SES, beside `secret_access_key` or, without that, in its \
                            place. The access key ID is the SMTP user name.";
            let region = "With `ses_smtp_password`, the region of the SMTP endpoint.";
            properties.insert(PASSWORD.to_owned(), json!({ "description": password, "type": "string" }));
            properties.insert(REGION.to_owned(), json!({ "description": region, "type": "string" }));
        }
        let required = schema.get_mut("required").and_then(Value::as_array_mut);
        if required.is_some_and(|required| take_name(required, SECRET)) {
            schema.insert(ONE_OF.to_owned(), json!([SECRET, PASSWORD]));
        }
        schema
    }
}

/// Takes a name out of a list; `false` when it is not in it.
fn take_name(names: &mut Vec<Value>, name: &str) -> bool {
    let before = names.len();
    names.retain(|known| known != name);
    names.len() < before
}

#[cfg(feature = "seal")]
impl SmtpPassword {
    /// The credential that the destination gets: the access key ID, and the password beside the secret access key or in
    /// its place.
    pub fn derive_credential(&self, credential: &Credential) -> Credential {
        let (id, secret) = (credential.access_key_id(), credential.expose_secret());
        let password = derive_password(secret, &self.region);
        if self.is_beside_secret {
            Credential::new(id, secret.to_owned()).with_smtp_password(password)
        } else {
            Credential::new(id, password)
        }
    }
}

/// The version of the derivation, which is the password's first byte.
#[cfg(feature = "seal")]
const VERSION: u8 = 0x04;
/// What is signed: a date that never changes, the region, the service, the end of every such key, and the action.
#[cfg(feature = "seal")]
const DATE: &str = "11111111";
#[cfg(feature = "seal")]
const LAST_MESSAGES: [&str; 3] = ["ses", "aws4_request", "SendRawEmail"];

#[cfg(feature = "seal")]
fn derive_password(secret: &str, region: &str) -> String {
    let mut key = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
    key.extend_from_slice(b"AWS4");
    key.extend_from_slice(secret.as_bytes());
    for message in [DATE, region].into_iter().chain(LAST_MESSAGES) {
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
        key = Zeroizing::new(signature.as_ref().to_vec());
    }
    let mut bytes = Zeroizing::new(vec![VERSION]);
    // Before the password is in it: a buffer that grows leaves its bytes behind, unwiped
    bytes.reserve_exact(key.len());
    bytes.extend_from_slice(&key);
    STANDARD.encode(&*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::age::policy::AgeDestination;
    use crate::destinations::secrets_manager::policy::SecretsManager;

    const BOTH: [(&str, &str); 3] = [(SECRET, "secret"), (PASSWORD, "pass"), (REGION, "eu-west-1")];

    fn faults(spec: &Value) -> Vec<String> {
        let destination: WithSmtp<SecretsManager> = serde_json::from_value(spec.clone()).unwrap();
        let mut found = Vec::new();
        destination.check_smtp_fields(&mut |message, _| found.push(message));
        found
    }

    fn secret(extra: &Value) -> Value {
        let mut fields = json!({ "secret_id": "smtp", "region": "eu-west-1", "access_key_id": "user" });
        fields.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        fields
    }

    #[test]
    fn the_fields_belong_together() {
        assert_eq!(faults(&secret(&json!({ PASSWORD: "password", REGION: "eu-west-1" }))), [""; 0]);
        assert_eq!(faults(&secret(&json!({ SECRET: "secret" }))), [""; 0]);
        let cases = [
            (json!({}), "missing field `secret_access_key`"),
            (json!({ PASSWORD: "password" }), "`ses_smtp_password` requires `ses_region`"),
            (json!({ SECRET: "secret", REGION: "eu-west-1" }), "`ses_region` requires"),
            (json!({ SECRET: "secret", PASSWORD: "password" }), "`ses_smtp_password` requires `ses_region`"),
            (json!({ PASSWORD: "password", REGION: "Ireland" }), "`ses_region` is no region"),
            (json!({ PASSWORD: "password", REGION: "" }), "`ses_region` is no region"),
        ];
        for (extra, message) in cases {
            let found = faults(&secret(&extra));
            assert!(found.len() == 1 && found[0].starts_with(message), "{found:?}");
        }
    }

    #[test]
    fn the_password_is_written_under_its_name() {
        let spec = secret(&json!({ PASSWORD: "pass", REGION: "eu-west-1" }));
        let held: WithSmtp<SecretsManager> = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!(held.secret_access_key, "pass");
        assert_eq!(serde_json::to_value(&held).unwrap(), spec);
        let age: WithSmtp<AgeDestination> = serde_json::from_value(age_file(&[PASSWORD, REGION])).unwrap();
        assert_eq!(age.secret_access_key.as_deref(), Some("pass"), "in place of the format's own name");
        assert_eq!(serde_json::to_value(&age).unwrap(), age_file(&[PASSWORD, REGION]));
    }

    #[test]
    fn beside_the_secret_the_password_has_a_field_of_its_own() {
        let spec = secret(&BOTH.into_iter().collect());
        let held: WithSmtp<SecretsManager> = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!((&*held.secret_access_key, held.ses_smtp_password.as_deref()), ("secret", Some("pass")));
        assert!(held.smtp_password().unwrap().is_beside_secret);
        assert_eq!(serde_json::to_value(&held).unwrap(), spec);
        for fields in [&[SECRET, PASSWORD, REGION][..], &[SECRET], &[]] {
            let spec = age_file(fields);
            let age: WithSmtp<AgeDestination> = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(serde_json::to_value(&age).unwrap(), spec);
        }
    }

    /// An age file as a journal has it, with some of the fields.
    fn age_file(fields: &[&str]) -> Value {
        let mut spec =
            json!({ "file": "a.age", "format": "dotenv", "recipients": [], "recipients_file": null });
        for (field, text) in BOTH.into_iter().filter(|(field, _)| fields.contains(field)) {
            spec[field] = text.into();
        }
        spec
    }

    /// The vectors of the AWS provider for Terraform, whose passwords are in use.
    #[cfg(feature = "seal")]
    #[test]
    fn passwords_are_those_that_others_derive() {
        let cases = [
            ("eu-central-1", "some+secret+key", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
            ("eu-central-1", "another+secret+key", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"),
            ("us-west-1", "some+secret+key", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"),
            ("us-west-1", "another+secret+key", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"),
        ];
        for (region, secret, password) in cases {
            let id = "AKIAQRSTUVWXYZ234567";
            let credential = Credential::new(id, secret.to_owned());
            let mut smtp = SmtpPassword {
                name: "PASSWORD".to_owned(),
                region: region.to_owned(),
                is_beside_secret: false,
            };
            assert_eq!(smtp.derive_credential(&credential).expose_values(), [id, password]);
            smtp.is_beside_secret = true;
            let derived = smtp.derive_credential(&credential);
            assert_eq!(derived.expose_values(), [id, secret, password]);
            let shown = format!("{derived:?} {smtp:?}");
            assert!(!shown.contains(password) && !shown.contains(secret), "{shown}");
        }
    }
}
