//! Writes a credential as an application reads it, for the destinations that encrypt a whole text: dotenv, JSON or a
//! profile of the AWS command line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
#[cfg(feature = "seal")]
use zeroize::Zeroizing;

#[cfg(feature = "seal")]
use super::encryption::SealError;
#[cfg(feature = "seal")]
use crate::secret::Credential;

/// The format of a text that holds the credential and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CredentialFormat {
    Dotenv,
    Json,
    Ini,
}

/// More bytes than any format has around the two values.
#[cfg(feature = "seal")]
const FRAME: usize = 128;

/// Returns the text with the credential.
///
/// # Errors
/// A value has a character that AWS is not known to issue.
#[cfg(feature = "seal")]
pub fn render_credential(
    credential: &Credential,
    format: CredentialFormat,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    check_printable(credential)?;
    let (id, secret) = (credential.access_key_id(), credential.expose_secret());
    let name = credential.secret_name();
    let parts: [&str; 7] = match format {
        CredentialFormat::Dotenv => {
            ["AWS_ACCESS_KEY_ID=", id, "\n", name.unwrap_or("AWS_SECRET_ACCESS_KEY"), "=", secret, "\n"]
        }
        CredentialFormat::Json => {
            ["{\"AccessKeyId\":\"", id, "\",\"", name.unwrap_or("SecretAccessKey"), "\":\"", secret, "\"}\n"]
        }
        CredentialFormat::Ini => [
            "[default]\naws_access_key_id = ",
            id,
            "\n",
            name.unwrap_or("aws_secret_access_key"),
            " = ",
            secret,
            "\n",
        ],
    };
    // Large enough from the start: a buffer that grows leaves a copy of the secret behind, which is not wiped.
    let length = id.len() + secret.len() + name.map_or(0, str::len);
    let mut out = Zeroizing::new(Vec::with_capacity(length + FRAME));
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    Ok(out)
}

/// Refuses a value that has to be quoted in one of the formats: AWS issues letters, digits, `+` and `/`, and a wrong
/// quote would only show in the application.
#[cfg(feature = "seal")]
fn check_printable(credential: &Credential) -> Result<(), SealError> {
    if needs_no_quotes(credential.access_key_id()) && needs_no_quotes(credential.expose_secret()) {
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

    #[test]
    fn each_format_is_written_without_growing() {
        let credential = Credential::new("AKIAQRSTUVWXYZ234567", "a/b+c".repeat(8));
        let (id, secret) = (credential.access_key_id(), credential.expose_secret());
        for (format, expected) in [
            (CredentialFormat::Dotenv, format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n")),
            (
                CredentialFormat::Json,
                format!("{{\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\"}}\n"),
            ),
            (
                CredentialFormat::Ini,
                format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
            ),
        ] {
            let bytes = render_credential(&credential, format).unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
            assert_eq!(bytes.capacity(), 20 + 40 + FRAME, "the buffer was moved");
        }
    }

    #[test]
    fn a_secret_of_another_kind_has_its_own_name() {
        let credential =
            Credential::new("AKIAQRSTUVWXYZ234567", "BPass".to_owned()).with_secret_name("SMTP_PASSWORD");
        let render =
            |format| String::from_utf8(render_credential(&credential, format).unwrap().to_vec()).unwrap();
        let dotenv = "AWS_ACCESS_KEY_ID=AKIAQRSTUVWXYZ234567\nSMTP_PASSWORD=BPass\n";
        assert_eq!(render(CredentialFormat::Dotenv), dotenv);
        let json = "{\"AccessKeyId\":\"AKIAQRSTUVWXYZ234567\",\"SMTP_PASSWORD\":\"BPass\"}\n";
        assert_eq!(render(CredentialFormat::Json), json);
        assert!(render(CredentialFormat::Ini).contains("SMTP_PASSWORD = BPass\n"));
    }

    #[test]
    fn what_would_need_quotes_is_refused() {
        for secret in ["", "a b", "a\nb", "a\"b", "a$b", "é"] {
            let credential = Credential::new("AKIAQRSTUVWXYZ234567", secret.to_owned());
            let refusal = render_credential(&credential, CredentialFormat::Json).unwrap_err();
            assert!(secret.is_empty() || !refusal.to_string().contains(secret));
        }
    }
}
