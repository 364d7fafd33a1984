//! Identifies a finding across runs: a fingerprint stays the same while the key grows older and lines move.

use crate::hash::sha256_hex;
use crate::rules::Finding;

/// How many hexadecimal digits of a digest make a fingerprint.
pub const FINGERPRINT_DIGITS: usize = 16;

/// From rule, file and the redacted match for a finding in a file; else from rule, user and the number of the key among
/// its user's keys, or from the message of an error in the policy file.
pub fn finding_fingerprint(finding: &Finding) -> String {
    if let Some(identity) = &finding.identity {
        return digest(identity);
    }
    // An error of the policy file has no user and no key; only its message stays when lines move.
    let about = finding.user.as_deref().unwrap_or(&finding.message);
    key_fingerprint(finding.rule, about, finding.key_ordinal)
}

/// The fingerprint of a rule's finding about a user, or about one of the user's keys by its number.
pub fn key_fingerprint(rule: &str, user: &str, ordinal: Option<usize>) -> String {
    let key = ordinal.map(|ordinal| ordinal.to_string()).unwrap_or_default();
    digest(&[rule, user, &key].join("\u{1f}"))
}

fn digest(identity: &str) -> String {
    let mut digits = sha256_hex(identity.as_bytes());
    digits.truncate(FINGERPRINT_DIGITS);
    digits
}
