//! Decides whether a token of forty characters is a secret access key or something else of that length.
//!
//! A secret access key is forty random characters of Base64. The conditions reject fewer than one such key in 100,000,
//! which the tests count. Commit IDs, names, paths and examples are rejected.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::word_model;

/// The length of a secret access key.
pub const LENGTH: usize = 40;

/// How many times likelier a token must be as a name or a path than as random characters to be rejected.
///
/// At most one in this number of random tokens can be that much likelier (Markov's inequality), whatever the model of
/// names is.
const MAX_WRITTEN_ODDS: f64 = 131_072.0;

/// Words that mark an example, in lower case. Two random keys in a million contain one of them.
const EXAMPLE_WORDS: [&str; 11] = [
    "example",
    "sample",
    "dummy",
    "placeholder",
    "changeme",
    "redacted",
    "replace",
    "secretkey",
    "accesskey",
    "xxxxx",
    "walrxutnfemi",
];

/// Returns the secret access key that a token is: itself, or decoded from Base64 (as in a Kubernetes Secret), or from
/// Base64 of that.
pub fn decode_secret(run: &[u8]) -> Option<Vec<u8>> {
    match run.len() {
        LENGTH if is_plausible_secret(run) => Some(run.to_vec()),
        54..=56 | 72..=78 => {
            let decoded = STANDARD_NO_PAD.decode(run).or_else(|_| STANDARD.decode(run)).ok()?;
            let decoded = decoded.trim_ascii_end();
            let padding = decoded.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
            let decoded = &decoded[..decoded.len() - padding];
            let is_token = decoded.iter().all(|byte| super::tokens::is_token(*byte));
            // The secret itself has no padding; only Base64 of it has.
            if is_token && (padding == 0 || decoded.len() != LENGTH) { decode_secret(decoded) } else { None }
        }
        _ => None,
    }
}

/// Whether forty token characters look random.
fn is_plausible_secret(token: &[u8]) -> bool {
    looks_random(token)
        && !is_encoded_text(token)
        && !is_example(token)
        && !is_cdk_logical_id(token)
        && !is_recaptcha_key(token)
}

/// Whether the token has letters of both cases and many different characters, and is not a name or a path.
fn looks_random(token: &[u8]) -> bool {
    let upper = token.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let lower = token.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    let different = token.iter().collect::<std::collections::BTreeSet<_>>().len();
    upper >= 3
        && lower >= 3
        && different >= 18
        // Last, as it costs most.
        && word_model::written_odds(token) < MAX_WRITTEN_ODDS
}

/// Whether the token is Base64 of thirty printable characters, or of JSON whose first half is printable.
fn is_encoded_text(token: &[u8]) -> bool {
    let most = if token.starts_with(b"eyJ") { token.len() / 2 } else { token.len() };
    STANDARD
        .decode(&token[..most])
        .is_ok_and(|text| text.iter().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t')))
}

/// Whether the token is a key of Google's reCAPTCHA: they have the same length and alphabet, and a fixed part.
fn is_recaptcha_key(token: &[u8]) -> bool {
    token.starts_with(b"6L") && token[8..].starts_with(b"AAAAA")
}

/// Whether the token has the form of a logical ID that AWS CDK generates: words, then eight digits of a hash. One random
/// token in a million has it.
fn is_cdk_logical_id(token: &[u8]) -> bool {
    let (words, hash) = token.split_at(LENGTH - 8);
    let digits = words.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits <= 2
        && words.iter().all(u8::is_ascii_alphanumeric)
        && hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

fn is_example(token: &[u8]) -> bool {
    // Neighbours that are equal or follow each other, as in `aaaa` and `abcd`: people type these
    let steps = token.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) <= 1).count();
    let lower = token.to_ascii_lowercase();
    let lower = String::from_utf8_lossy(&lower);
    steps >= 12 || EXAMPLE_WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plausible(text: &str) -> bool {
        decode_secret(text.as_bytes()).is_some()
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
    fn base64_of_base64_hides_no_secret_and_makes_none() {
        let text = concat!("h8Kq+2vXnB5/TzLw9RfY", "c3JdPm7sGaQe1UoVx4Ni");
        for (first, second) in [("", ""), ("", "\n"), ("\n", ""), ("\n", "\n"), ("\r\n", "\r\n")] {
            let once = STANDARD.encode(format!("{text}{first}"));
            for once in [once.as_str(), once.trim_end_matches('=')] {
                let twice = STANDARD_NO_PAD.encode(format!("{once}{second}"));
                assert_eq!(
                    decode_secret(twice.as_bytes()).as_deref(),
                    Some(text.as_bytes()),
                    "{once:?} {second:?}"
                );
                let thrice = STANDARD_NO_PAD.encode(twice);
                assert!(!is_plausible(&thrice), "{thrice}");
            }
        }
        assert!(!is_plausible(&STANDARD_NO_PAD.encode(format!("{text}="))));
    }

    #[test]
    fn nearly_every_random_run_is_taken_for_a_secret() {
        let mut state = 1_u64;
        let mut random = || {
            // Knuth's linear congruential generator; its upper bits are random enough, and the same everywhere.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 58) as usize
        };
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let refused = (0..50_000)
            .map(|_| (0..LENGTH).map(|_| alphabet[random()]).collect::<Vec<u8>>())
            .filter(|run| decode_secret(run).is_none())
            .count();
        assert!(refused <= 1, "{refused} of 50,000");
    }

    #[test]
    fn a_secret_of_letters_alone_is_one() {
        assert!(is_plausible(concat!("qZbXwVkjTRmPhNLgdFKs", "vYpJzWcBxQfGtHnDMkRw")));
    }

    #[test]
    fn what_people_and_programs_write_is_not() {
        for text in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
            "abcdefghijklmnopqrstuvwxyzABCDEFGH012345",
            "AwsSecretAccessKeyForS3BucketInUsEast1Ab",
            "GetSSHPublicKeyEndpointParamsInterceptor",
            "US/docs/Web/API/RTCDTMFSender/insertDTMF",
            "ipV6IPsecUnauthPerIPRateLimitBytesPerSec",
            "src/Components/Auth2/SecretKeyProvider/x",
            "c2VjcmV0LXZhbHVlLXRoYXQtaXMtMzAtYnl0ZXMh",
            "qXfLambdaZkRoleS3VpDefaultBwjQgH5A8B1C2D",
            concat!("6Lc9tYwUAAAAAK8", "mWq3vXnB5zTzLw9RfYc3Jd7sG"),
            "aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3a",
            "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        ] {
            assert_eq!(text.len(), LENGTH, "{text}");
            assert!(!is_plausible(text), "{text}");
        }
    }
}
