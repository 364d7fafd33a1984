//! Names that people give to a secret access key, wherever the word `secret` was found.

use std::ops::Range;

/// How much of a name is read on either side of the word.
const REACH: usize = 48;

/// What a name speaks of when its secret key is none of AWS: lower case, no signs.
const OTHERS: [&str; 14] = [
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
];

/// A name, and how far after it a secret belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub end: usize,
    /// A name that says AWS binds over a few lines, any other to the end of its line.
    pub says_aws: bool,
}

/// The name around the word `secret` at `word`, if it is one of a secret access key.
pub fn around(bytes: &[u8], word: Range<usize>) -> Option<Name> {
    let start =
        word.start - bytes[..word.start].iter().rev().take(REACH).take_while(|b| is_name(**b)).count();
    let mut end = word.end + bytes[word.end..].iter().take(REACH).take_while(|b| is_name(**b)).count();
    if let Some(tail) = spoken(&bytes[end..]) {
        end += tail;
    }
    let plain: String = bytes[start..end]
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| b.to_ascii_lowercase() as char)
        .collect();
    let says_aws = plain.contains("aws") || plain.contains("accesskey") || plain.contains("s3");
    let says_key = plain.contains("secretkey") || plain.contains("secretaccess");
    let says_other = OTHERS.iter().any(|other| plain.contains(other));
    (says_aws || says_key && !says_other).then_some(Name { end, says_aws })
}

/// The rest of "secret access key" written with spaces.
fn spoken(after: &[u8]) -> Option<usize> {
    [" access key", " key"].iter().map(|text| text.len()).find(|&length| {
        after.get(..length).is_some_and(|text| {
            text.eq_ignore_ascii_case(b" access key") || text.eq_ignore_ascii_case(b" key")
        })
    })
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<bool> {
        let at = text.to_lowercase().find("secret").unwrap();
        around(text.as_bytes(), at..at + 6).map(|name| name.says_aws)
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
}
