//! Recognizes the names of variables and fields around the word `secret`: names of an AWS secret access key, and names
//! of other services' secrets.

use std::ops::Range;

/// How many bytes of a name are read on either side of the word.
const MAX_NAME_REACH: usize = 48;
/// The most bytes between a name and its value: quotes, a sign, an indented line.
const MAX_SEPARATOR: usize = 32;

/// Words in names whose secret is not AWS's, in lower case and without punctuation.
const OTHER_SERVICES: [&str; 23] = [
    "jwt",
    "csrf",
    "xsrf",
    "session",
    "cookie",
    "captcha",
    "django",
    "flask",
    "laravel",
    "stripe",
    "paystack",
    "oauth",
    "encryption",
    "signing",
    "cloudflare",
    "datadog",
    "digitalocean",
    "heroku",
    "linode",
    "newrelic",
    "sendgrid",
    "sentry",
    "twilio",
];

/// A name of a secret access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    pub end: usize,
    /// Whether the name says AWS. Then the value may follow some lines later, else only on the same line.
    pub says_aws: bool,
}

/// Returns the name around the word `secret` at `word`, if it is a name of a secret access key.
pub fn find_secret_name(bytes: &[u8], word: Range<usize>) -> Option<SecretName> {
    let start = word.start
        - bytes[..word.start].iter().rev().take(MAX_NAME_REACH).take_while(|b| is_name_byte(**b)).count();
    let mut end =
        word.end + bytes[word.end..].iter().take(MAX_NAME_REACH).take_while(|b| is_name_byte(**b)).count();
    if let Some(tail) = spoken_suffix_length(&bytes[end..]) {
        end += tail;
    }
    let plain = normalize_name(&bytes[start..end]);
    let says_aws = says_aws(&plain);
    let says_key = plain.contains("secretkey") || plain.contains("secretaccess");
    (says_aws || says_key && !says_other(&plain)).then_some(SecretName { end, says_aws })
}

/// Whether the value at `at` is assigned to a name of another service's secret.
pub fn is_other_service_secret(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(2 * (MAX_NAME_REACH + MAX_SEPARATOR))..at];
    let glue = before.iter().rev().take(MAX_SEPARATOR).take_while(|b| is_separator_byte(**b)).count();
    let (before, glue) = before.split_at(before.len() - glue);
    if !glue.iter().any(|b| matches!(b, b'=' | b':')) {
        return false;
    }
    let mut name = trailing_name(before);
    if name.eq_ignore_ascii_case(b"value") {
        // `name: JWT_SECRET_KEY` and then `value: ...`, in YAML, JSON and XML.
        let before = &before[..before.len() - name.len()];
        let between = before.iter().rev().take(MAX_SEPARATOR).take_while(|b| !is_name_byte(**b)).count();
        name = trailing_name(&before[..before.len() - between]);
    }
    let plain = normalize_name(name);
    says_other(&plain) && !says_aws(&plain)
}

/// Returns the name at the end of the bytes, which may be empty.
fn trailing_name(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rev().take(MAX_NAME_REACH).take_while(|b| is_name_byte(**b)).count();
    &bytes[bytes.len() - length..]
}

/// Returns the name in lower case without punctuation.
fn normalize_name(name: &[u8]) -> String {
    name.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| b.to_ascii_lowercase() as char).collect()
}

fn says_aws(plain: &str) -> bool {
    plain.contains("aws") || plain.contains("accesskey") || plain.contains("s3")
}

fn says_other(plain: &str) -> bool {
    OTHER_SERVICES.iter().any(|other| plain.contains(other))
}

/// Returns the length of the rest of "secret access key" written with spaces.
fn spoken_suffix_length(after: &[u8]) -> Option<usize> {
    [" access key", " key"].iter().map(|text| text.len()).find(|&length| {
        after.get(..length).is_some_and(|text| {
            text.eq_ignore_ascii_case(b" access key") || text.eq_ignore_ascii_case(b" key")
        })
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_separator_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b':' | b'=' | b'>' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<bool> {
        let at = text.to_lowercase().find("secret").unwrap();
        find_secret_name(text.as_bytes(), at..at + 6).map(|name| name.says_aws)
    }

    #[test]
    fn names_of_a_secret_access_key_are_known() {
        for text in [
            "aws_secret_access_key=",
            "SecretAccessKey\":",
            "AWS_SECRET_KEY",
            "aws.secretKey",
            "Secret access key,",
            "fs.s3a.secret.key",
            "AWSSecretKey",
        ] {
            assert_eq!(name(text), Some(true), "{text}");
        }
        for text in ["secret_key =", "--secret-key ", "secretkey:"] {
            assert_eq!(name(text), Some(false), "{text}");
        }
        for text in ["secret", "client_secret", "kind: Secret", "secretName: aws", "JWT_SECRET_KEY="] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_behind_the_name_of_another_service_is_anothers() {
        for text in [
            "JWT_SECRET_KEY=",
            "export SESSION_SECRET = \"",
            "{\\\"stripeSecretKey\\\": \\\"",
            "jwt.secret: ",
            "'django_secret' => '",
            "- name: JWT_SECRET_KEY\n          value: \"",
            "\"name\": \"CSRF_KEY\",\n    \"value\": \"",
            "<add key=\"OAuthSecret\" value=\"",
            "CLOUDFLARE_API_TOKEN=",
            "datadog.api.key: ",
        ] {
            assert!(is_other_service_secret(text.as_bytes(), text.len()), "{text}");
        }
        for text in [
            "SECRET_KEY=",
            "AWS_SESSION_SECRET=",
            "cookie.s3.secret=",
            "session = Session(id, '",
            "the cookie ",
            "jwt, ",
            "=",
            "value=",
            "- name: AWS_SECRET_ACCESS_KEY\n  value: ",
            "# jwt\nkey: ",
            "",
        ] {
            assert!(!is_other_service_secret(text.as_bytes(), text.len()), "{text}");
        }
    }
}
