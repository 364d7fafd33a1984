//! Defines a service-specific credential: a credential of an IAM user that one AWS service accepts.

use jiff::Timestamp;

use super::status::KeyStatus;

/// The API call that lists them, as IAM policies name it.
pub const LIST_SERVICE_CREDENTIALS: &str = "iam:ListServiceSpecificCredentials";

/// A credential of an IAM user for one AWS service, without its secret: the Git password of CodeCommit, the password of
/// Keyspaces, an API key of Bedrock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCredential {
    /// The ID by which IAM changes and deletes it.
    pub id: String,
    /// As IAM names it: `codecommit.amazonaws.com`.
    pub service: String,
    pub status: KeyStatus,
    pub created_at: Timestamp,
    /// Only an API key can have an end.
    pub expires_at: Option<Timestamp>,
}

impl ServiceCredential {
    /// Whether the service may accept it. IAM can call a credential active after its end.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.status.can_sign() && self.expires_at.is_none_or(|end| end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_usable_until_its_end() {
        let end: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
        let credential = |status: &str, expires_at| ServiceCredential {
            id: "ACCA0000000000000001".to_owned(),
            service: "bedrock.amazonaws.com".to_owned(),
            status: KeyStatus::from(status),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at,
        };
        let before = end - jiff::SignedDuration::from_secs(1);
        assert!(credential("Active", Some(end)).is_usable(before));
        assert!(!credential("Active", Some(end)).is_usable(end));
        assert!(credential("Active", None).is_usable(end));
        assert!(credential("Suspended", None).is_usable(end));
        assert!(!credential("Inactive", None).is_usable(end));
        assert!(!credential("Expired", None).is_usable(before));
    }
}
