//! Access key IDs: their format, the AWS account in them, and placeholders.
//!
//! The prefix is the type of an ID (AWS, "IAM identifiers"): `AKIA` (long-term) and `ASIA` (temporary) are access keys,
//! `ABIA` and `ACCA` other credentials of the same format; `AIDA`, `AROA` and the rest identify users and roles. The
//! sixteen characters after the prefix are Base32 (RFC 4648, section 6).

use crate::hash::sha256_hex;

/// The prefixes of access keys.
pub const PREFIXES: [&str; 4] = ["AKIA", "ASIA", "ABIA", "ACCA"];
/// The length of an access key ID.
pub const LENGTH: usize = 20;

/// Words that mark a placeholder. Sixteen random characters contain one of them less than once in 5,000 IDs.
const PLACEHOLDER_WORDS: [&str; 16] = [
    "EXAMPLE",
    "SAMPLE",
    "DUMMY",
    "FAKE",
    "PLACEHOLDER",
    "REDACTED",
    "CHANGEME",
    "YOUR",
    "INSERT",
    "REPLACE",
    "NOTREAL",
    "TEST",
    "MOCK",
    "XXXX",
    "ACCESSKEY",
    "IOSFODNN7",
];

/// An access key ID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(String);

impl AccessKeyId {
    /// Parses twenty bytes. Returns `None` when they do not have the form of an access key ID, or are a placeholder.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (prefix, body) = (text.get(..4)?, text.get(4..)?);
        let shaped = text.len() == LENGTH
            && PREFIXES.contains(&prefix)
            && body.bytes().all(|byte| base32_value(byte).is_some());
        (shaped && is_issued(body) && !is_placeholder(body)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it belongs to a temporary credential, which expires.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }

    /// Returns the twelve digits of the account, if the ID contains them.
    ///
    /// The first bit after the prefix marks the newer form, whose next forty bits are the account; an older ID
    /// encodes nothing (found by comparison with `sts:GetAccessKeyInfo`; trufflehog decodes it the same way).
    pub fn account_id(&self) -> Option<String> {
        let bits = self.0.bytes().skip(4).take(9).try_fold(0_u64, |bits, byte| {
            let value = base32_value(byte)?;
            Some(bits << 5 | u64::from(value))
        })?;
        let (newer, account) = (bits >> 44 == 1, (bits >> 4) & 0xff_ffff_ffff);
        (newer && account <= 999_999_999_999).then(|| format!("{account:012}"))
    }

    /// Returns the digest that lock files contain in place of the ID.
    pub fn digest_hex(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }
}

impl std::fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn base32_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}

/// Whether AWS issues such IDs: those that contain their account have the first bit set, older ones start with `I` or
/// `J`. Most upper-case words of twenty letters do neither.
fn is_issued(body: &str) -> bool {
    let first = body.as_bytes()[0];
    matches!(first, b'I' | b'J') || base32_value(first).is_some_and(|value| value >= 16)
}

/// Whether the ID has few different characters, is a part of an alphabet, or contains a placeholder word.
fn is_placeholder(body: &str) -> bool {
    let bytes = body.as_bytes();
    let different: std::collections::BTreeSet<u8> = bytes.iter().copied().collect();
    different.len() < 7
        // Repeated characters, `ABCDEFG` and `GFEDCBA`.
        || [0, 1, u8::MAX].iter().any(|step| count_steps(bytes, *step) >= 6)
        || PLACEHOLDER_WORDS.iter().any(|word| body.contains(word))
}

/// Counts the characters that follow the one before them at this distance in the alphabet.
fn count_steps(bytes: &[u8], step: u8) -> usize {
    bytes.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) == step).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str) -> Option<String> {
        AccessKeyId::parse(id.as_bytes()).unwrap().account_id()
    }

    #[test]
    fn a_newer_id_tells_its_account() {
        assert_eq!(account(concat!("ASIA", "Y34FZKBOKMUTVV7A")).as_deref(), Some("609629065308"));
        assert_eq!(account(concat!("ASIA", "QNZGKIQY56JQ7WML")).as_deref(), Some("029608264753"));
    }

    #[test]
    fn an_older_id_tells_nothing() {
        assert_eq!(account(concat!("AKIA", "IMWQ3TLZ5VB7KC2D")), None);
        assert_eq!(account(concat!("AKIA", "JMWQ3TLZ5VB7KC2D")), None);
    }

    #[test]
    fn names_of_users_and_other_shapes_are_no_keys() {
        for id in [
            "AIDAQNZGKIQY56JQ7WML",
            "AROAQNZGKIQY56JQ7WML",
            "AKIAQNZGKIQY56JQ7WM",
            "AKIAQNZGKIQY56JQ7WM0",
            "akiaqnzgkiqy56jq7wml",
        ] {
            assert_eq!(AccessKeyId::parse(id.as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn examples_and_placeholders_are_no_keys() {
        for id in [
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAXXXXXXXXXXXXXXXX",
            "AKIAABCDEFGHIJKLMNOP",
            "AKIAAAAABBBBCCCCDDDD",
            "AKIAYOURKEYIDHEREABC",
            "AKIATESTTESTTESTTEST",
        ] {
            assert_eq!(AccessKeyId::parse(id.as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
