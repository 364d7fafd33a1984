//! Does a run of forty characters look like a secret access key, or like something that people or programs write?
//!
//! A secret access key is forty random characters of Base64. The limits below are at least three and a half
//! standard deviations from what random characters give; commit IDs, names, paths and examples lie beyond them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The length of a secret access key.
pub const LENGTH: usize = 40;

/// Words that only examples hold, in lower case.
const WORDS: [&str; 11] = [
    "example",
    "sample",
    "dummy",
    "placeholder",
    "changeme",
    "redacted",
    "replace",
    "secretkey",
    "accesskey",
    "xxxx",
    "walrxutnfemi",
];

/// The secret access key that a run stands for: itself, or in the Base64 of a Kubernetes Secret.
pub fn secret(run: &[u8]) -> Option<Vec<u8>> {
    match run.len() {
        LENGTH => is_secret(run).then(|| run.to_vec()),
        54..=56 => {
            let decoded = STANDARD_NO_PAD.decode(run).or_else(|_| STANDARD.decode(run)).ok()?;
            let decoded = decoded.trim_ascii_end();
            (decoded.len() == LENGTH
                && decoded.iter().all(|b| super::tokens::is_token(*b))
                && is_secret(decoded))
            .then(|| decoded.to_vec())
        }
        _ => None,
    }
}

/// Whether forty token characters look random.
fn is_secret(token: &[u8]) -> bool {
    looks_random(token) && !is_text(token) && !is_example(token)
}

fn looks_random(token: &[u8]) -> bool {
    let count = |of: fn(&u8) -> bool| token.iter().filter(|byte| of(byte)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let slashes = count(|byte| *byte == b'/');
    let pairs = |of: fn(u8, u8) -> bool| token.windows(2).filter(|pair| of(pair[0], pair[1])).count();
    let changes = pairs(|a, b| class(a) != class(b));
    let words = pairs(|a, b| a.is_ascii_lowercase() && b.is_ascii_lowercase());
    let different = token.iter().collect::<std::collections::BTreeSet<_>>().len();
    let neither = token.len() - upper - lower;
    upper >= 3
        && lower >= 3
        && neither >= 1
        && slashes <= 6
        && changes >= 13
        && words <= 16
        && different >= 18
}

fn class(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => 0,
        b'a'..=b'z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}

/// The Base64 of thirty printable characters, or the head of a JSON Web Token: somebody's text.
fn is_text(token: &[u8]) -> bool {
    token.starts_with(b"eyJ")
        || STANDARD
            .decode(token)
            .is_ok_and(|text| text.iter().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')))
}

fn is_example(token: &[u8]) -> bool {
    let steps = token.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) <= 1).count();
    let lower = token.to_ascii_lowercase();
    let lower = String::from_utf8_lossy(&lower);
    steps >= 12 || WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plausible(text: &str) -> bool {
        secret(text.as_bytes()).is_some()
    }

    #[test]
    fn random_characters_are_taken_for_a_secret() {
        assert!(is_plausible(concat!("h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni")));
        assert!(is_plausible(
            &STANDARD_NO_PAD.encode(concat!("h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni"))
        ));
        assert!(is_plausible(
            &STANDARD_NO_PAD.encode(concat!("h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni\n"))
        ));
    }

    #[test]
    fn what_people_and_programs_write_is_not() {
        for text in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
            "abcdefghijklmnopqrstuvwxyzABCDEFGH012345",
            "AwsSecretAccessKeyForS3BucketInUsEast1Ab",
            "src/Components/Auth2/SecretKeyProvider/x",
            "c2VjcmV0LXZhbHVlLXRoYXQtaXMtMzAtYnl0ZXMh",
            "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3a",
            "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        ] {
            assert_eq!(text.len(), LENGTH, "{text}");
            assert!(!is_plausible(text), "{text}");
        }
    }
}
