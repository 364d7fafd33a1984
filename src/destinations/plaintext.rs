//! Writes a credential as an application reads it, for the destinations that encrypt a whole text: dotenv, JSON or a
//! profile of the AWS command line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
#[cfg(feature = "seal")]
use zeroize::Zeroizing;

#[cfg(feature = "seal")]
use super::encryption::SealError;
use super::value_names::{has_repeated_name, list_names};
#[cfg(feature = "seal")]
use crate::secret::Credential;
use crate::sentences::join_words;

/// The format of a text that holds the credential and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CredentialFormat {
    Dotenv,
    Json,
    Ini,
}

/// A format, and what the policy file calls the values in it.
#[derive(Debug, Clone, Copy)]
pub struct TextLayout<'a> {
    pub format: CredentialFormat,
    /// In place of the format's own name for a secret access key.
    pub secret: Option<&'a String>,
    pub smtp_password: Option<&'a String>,
}

impl TextLayout<'_> {
    /// The names of the values.
    fn names(&self) -> Vec<&str> {
        let (id, secret) = match self.format {
            CredentialFormat::Dotenv => ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            CredentialFormat::Json => ("AccessKeyId", "SecretAccessKey"),
            CredentialFormat::Ini => ("aws_access_key_id", "aws_secret_access_key"),
        };
        list_names(id, self.secret.map_or(secret, String::as_str), self.smtp_password)
    }

    /// What is wrong with the names, and what to do about it.
    pub fn find_wrong_name(&self) -> Option<(String, &'static str)> {
        let names = self.names();
        let what = if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
            format!("no value can have the name `{name}`")
        } else if has_repeated_name(&names, str::eq_ignore_ascii_case) {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("the names {} are not distinct", join_words(&quoted))
        } else {
            return None;
        };
        Some((what, "write names of letters, digits and `_-./`, and not that of another value"))
    }
}

/// Whether every format can hold a value under this name.
fn is_plain_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    is_plain && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the text with the credential.
///
/// # Errors
/// A value has a character that AWS is not known to issue, or a name that the format cannot hold.
#[cfg(feature = "seal")]
pub fn render_credential(
    credential: &Credential,
    layout: &TextLayout<'_>,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    check_printable(credential)?;
    let (names, values) = (layout.names(), credential.expose_values());
    // Again: the names may be those of a journal, which everyone who can push can write
    if layout.find_wrong_name().is_some() || names.len() != values.len() {
        return Err(SealError::outside_files(
            "its values cannot have these names",
            "correct the policy file",
        ));
    }
    let [begin, before, between, after, end] = match layout.format {
        CredentialFormat::Dotenv => ["", "", "=", "\n", ""],
        CredentialFormat::Json => ["{", "\"", "\":\"", "\"", "}\n"],
        CredentialFormat::Ini => ["[default]\n", "", " = ", "\n", ""],
    };
    let mut parts = vec![begin];
    for (index, (name, value)) in names.into_iter().zip(values).enumerate() {
        if index > 0 && layout.format == CredentialFormat::Json {
            parts.push(",");
        }
        parts.extend([before, name, between, value, after]);
    }
    parts.push(end);
    // Large enough from the start: a buffer that grows leaves a copy of the secret behind, which is not wiped.
    let mut out = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    Ok(out)
}

/// Refuses a value that has to be quoted in one of the formats: AWS issues letters, digits, `+` and `/`, and a wrong
/// quote would only show in the application.
#[cfg(feature = "seal")]
fn check_printable(credential: &Credential) -> Result<(), SealError> {
    if credential.expose_values().into_iter().all(needs_no_quotes) {
        return Ok(());
    }
    Err(SealError::outside_files(
        "the new access key has characters that AWS is not known to issue",
        "write the credential by hand, and report this",
    ))
}

#[cfg(feature = "seal")]
fn needs_no_quotes(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=._~-".contains(&byte))
}

#[cfg(all(test, feature = "seal"))]
mod tests {
    use super::*;

    const FORMATS: [CredentialFormat; 3] =
        [CredentialFormat::Dotenv, CredentialFormat::Json, CredentialFormat::Ini];
    const ID: &str = "AKIAQRSTUVWXYZ234567";

    /// The text in each format; `None` if one is refused.
    fn render(credential: &Credential, secret: Option<&str>, smtp: Option<&str>) -> Option<Vec<String>> {
        let [secret, smtp] = [secret, smtp].map(|name| name.map(str::to_owned));
        let mut texts = Vec::new();
        for format in FORMATS {
            let layout = TextLayout { format, secret: secret.as_ref(), smtp_password: smtp.as_ref() };
            let bytes = render_credential(credential, &layout).ok()?;
            assert_eq!(bytes.capacity(), bytes.len(), "the buffer was moved");
            texts.push(String::from_utf8(bytes.to_vec()).ok()?);
        }
        Some(texts)
    }

    #[test]
    fn each_format_is_written_without_growing() {
        let secret = "a/b+c".repeat(8);
        let credential = Credential::new(ID, secret.clone());
        let texts = vec![
            format!("AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={secret}\n"),
            format!("{{\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{secret}\"}}\n"),
            format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {secret}\n"),
        ];
        assert_eq!(render(&credential, None, None), Some(texts));
    }

    #[test]
    fn an_smtp_password_is_written_in_place_of_the_secret_or_beside_it() {
        let in_place = Credential::new(ID, "BPass".to_owned());
        let texts = vec![
            format!("AWS_ACCESS_KEY_ID={ID}\nSMTP=BPass\n"),
            format!("{{\"AccessKeyId\":\"{ID}\",\"SMTP\":\"BPass\"}}\n"),
            format!("[default]\naws_access_key_id = {ID}\nSMTP = BPass\n"),
        ];
        assert_eq!(render(&in_place, Some("SMTP"), None), Some(texts));
        let beside = Credential::new(ID, "s".to_owned()).with_smtp_password("BPass".to_owned());
        let texts = vec![
            format!("AWS_ACCESS_KEY_ID={ID}\nKEY=s\nSMTP=BPass\n"),
            format!("{{\"AccessKeyId\":\"{ID}\",\"KEY\":\"s\",\"SMTP\":\"BPass\"}}\n"),
            format!("[default]\naws_access_key_id = {ID}\nKEY = s\nSMTP = BPass\n"),
        ];
        assert_eq!(render(&beside, Some("KEY"), Some("SMTP")), Some(texts));
    }

    #[test]
    fn names_that_a_format_cannot_hold_are_refused() {
        let credential = Credential::new(ID, "s".to_owned());
        for name in ["", "-", "A\nB=c", "a b", "a\"", "AWS_access_KEY_ID", "é"] {
            let name = name.to_owned();
            let layout =
                TextLayout { format: CredentialFormat::Dotenv, secret: Some(&name), smtp_password: None };
            assert!(layout.find_wrong_name().is_some(), "{name}");
            assert!(render_credential(&credential, &layout).is_err(), "{name}");
        }
    }

    #[test]
    fn what_would_need_quotes_is_refused() {
        let layout = TextLayout { format: CredentialFormat::Json, secret: None, smtp_password: None };
        for secret in ["", "a b", "a\nb", "a\"b", "a$b", "é"] {
            let credential = Credential::new(ID, secret.to_owned());
            let refusal = render_credential(&credential, &layout).unwrap_err();
            assert!(secret.is_empty() || !refusal.to_string().contains(secret));
        }
    }
}
