//! A credential as an application reads it: dotenv, JSON or a profile of the AWS command line.
//!
//! Each buffer is wiped when it is dropped and made large enough before it is filled: one that grows leaves copies.

use zeroize::Zeroizing;

use crate::destinations::encryption::SealError;
use crate::policy::file::AgeFormat;
use crate::secret::Credential;

/// Longer than all that stands around the two values in any format.
const FRAME: usize = 128;

/// The whole content of a file that holds nothing but the credential.
pub fn render_credential(
    credential: &Credential,
    format: AgeFormat,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    check_printable(credential)?;
    let (id, secret) = (credential.access_key_id(), credential.expose_secret());
    let parts: [&str; 5] = match format {
        AgeFormat::Dotenv => ["AWS_ACCESS_KEY_ID=", id, "\nAWS_SECRET_ACCESS_KEY=", secret, "\n"],
        AgeFormat::Json => ["{\"AccessKeyId\":\"", id, "\",\"SecretAccessKey\":\"", secret, "\"}\n"],
        AgeFormat::Ini => ["[default]\naws_access_key_id = ", id, "\naws_secret_access_key = ", secret, "\n"],
    };
    let mut out = Zeroizing::new(Vec::with_capacity(id.len() + secret.len() + FRAME));
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    Ok(out)
}

/// A value that has to be quoted in one of the formats is refused: AWS issues letters, digits, `+` and `/`, and a
/// wrong quote would only show in the application.
fn check_printable(credential: &Credential) -> Result<(), SealError> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=._~-".contains(&b))
    };
    if plain(credential.access_key_id()) && plain(credential.expose_secret()) {
        return Ok(());
    }
    Err(SealError::outside_files(
        "the new access key has characters that AWS is not known to issue",
        "write the credential by hand, and report this",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_written_without_growing() {
        let credential = Credential::new("AKIAQRSTUVWXYZ234567", "a/b+c".repeat(8));
        let (id, secret) = (credential.access_key_id(), credential.expose_secret());
        for (format, expected) in [
            (AgeFormat::Dotenv, format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n")),
            (AgeFormat::Json, format!("{{\"AccessKeyId\":\"{id}\",\"SecretAccessKey\":\"{secret}\"}}\n")),
            (
                AgeFormat::Ini,
                format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
            ),
        ] {
            let bytes = render_credential(&credential, format).unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
            assert_eq!(bytes.capacity(), 20 + 40 + FRAME, "the buffer was moved");
        }
    }

    #[test]
    fn what_would_need_quotes_is_refused() {
        for secret in ["", "a b", "a\nb", "a\"b", "a$b", "é"] {
            let credential = Credential::new("AKIAQRSTUVWXYZ234567", secret.to_owned());
            let refusal = render_credential(&credential, AgeFormat::Json).unwrap_err();
            assert!(secret.is_empty() || !refusal.to_string().contains(secret));
        }
    }
}
