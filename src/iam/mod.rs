//! AWS IAM as data: users, their access keys and when those were last used, for audits and rotations alike.
//!
//! `aws` and the credential report fill these types. For an audit each fact has its source and its time; the rules judge
//! them.

pub mod credential_report;
pub mod granted;
pub mod merge;
pub mod policy_document;
mod records;
mod report_columns;
pub mod sample;
mod service_credential;
mod status;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use records::{KeyRecord, ListedUser, UserRecord};
pub use service_credential::{LIST_SERVICE_CREDENTIALS, ServiceCredential};
pub use status::KeyStatus;

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// A live reply from IAM.
    Iam,
    /// The credential report, which may be up to four hours old.
    Report,
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iam => "iam",
            Self::Report => "report",
        })
    }
}

/// The source of a fact, and the time at which it was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Provenance {
    pub source: DataSource,
    pub as_of: Timestamp,
}

/// A fact, or why it is not known. An unknown fact never makes a finding go away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcedFact<T> {
    Known(T, Provenance),
    Unknown(UnknownReason),
}

/// Why a fact is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// It was not requested: it could not have changed a finding.
    NotAsked,
    /// The source does not contain it.
    NotInSource,
    /// The request failed; the faults of the inventory say why.
    Failed,
}

impl<T> SourcedFact<T> {
    pub fn known_value(&self) -> Option<&T> {
        match self {
            Self::Known(value, _) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    pub fn provenance(&self) -> Option<Provenance> {
        match self {
            Self::Known(_, stamp) => Some(*stamp),
            Self::Unknown(_) => None,
        }
    }
}

/// What was read from an account about the users of a policy.
#[derive(Debug, Clone)]
pub struct AccountInventory {
    /// Twelve digits.
    pub account: String,
    /// How the account was read: `iam`, `report` or `auto`.
    pub source: &'static str,
    /// In the order of the policy file, then by name.
    pub users: Vec<IamUser>,
    /// User names of the policy that the account does not have.
    pub missing: Vec<String>,
    /// Whether the account's root user has an access key.
    pub root_key: SourcedFact<bool>,
    pub faults: Vec<ReadFault>,
    /// What this inventory cannot contain because of its source, in sentences.
    pub limits: Vec<String>,
}

/// One IAM user.
#[derive(Debug, Clone)]
pub struct IamUser {
    pub name: String,
    /// The full ARN, if a source has it.
    pub arn: Option<String>,
    pub keys: Vec<AccessKey>,
    /// The source and time of the list of keys.
    pub listed: Provenance,
    /// Whether the user can sign in to the console.
    pub console_password: SourcedFact<bool>,
    /// The value of the tag `keytide:owner`; `None` when the user has no such tag.
    pub owner: SourcedFact<Option<String>>,
    /// Whether AWS attached its compromised-key quarantine policy.
    pub quarantined: SourcedFact<bool>,
    pub service_credentials: SourcedFact<Vec<ServiceCredential>>,
}

impl IamUser {
    /// Returns the IAM path, such as `/` or `/services/`.
    pub fn iam_path(&self) -> Option<&str> {
        self.arn.as_deref().and_then(path_from_arn)
    }

    /// Returns the keys in the order of their creation, numbered from 1.
    pub fn keys_by_age(&self) -> Vec<(usize, &AccessKey)> {
        let mut keys: Vec<&AccessKey> = self.keys.iter().collect();
        // Two keys of one second must have the same numbers in every run
        keys.sort_by(|a, b| (a.created_at, &a.id, a.slot).cmp(&(b.created_at, &b.id, b.slot)));
        keys.into_iter().enumerate().map(|(index, key)| (index + 1, key)).collect()
    }

    /// Returns the service-specific credentials in the order of their creation; none if they are not known.
    pub fn service_credentials_by_age(&self) -> Vec<&ServiceCredential> {
        let mut credentials: Vec<&ServiceCredential> =
            self.service_credentials.known_value().into_iter().flatten().collect();
        credentials.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        credentials
    }
}

/// Returns the path in a user's ARN: `arn:aws:iam::123456789012:user/a/b/name` → `/a/b/`.
pub fn path_from_arn(arn: &str) -> Option<&str> {
    let path = arn.splitn(6, ':').nth(5)?.strip_prefix("user")?;
    if !path.starts_with('/') {
        return None;
    }
    Some(&path[..=path.rfind('/').unwrap_or(0)])
}

/// An access key without its secret access key, which AWS returns only at the creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key ID; `None` from the credential report, which does not contain it.
    pub id: Option<String>,
    /// The number of the key in the credential report, 1 or 2, if there is no ID.
    pub slot: Option<u8>,
    pub status: KeyStatus,
    pub created_at: Timestamp,
    /// Whether the date is the one of the credential report, "created or last changed": the key may be older.
    pub may_be_older: bool,
    /// `None`: never used, or not since IAM began to record it on 2015-04-22.
    pub last_used: SourcedFact<Option<LastUse>>,
}

/// The last recorded use of a key. IAM does not record another use within fifteen minutes (AWS, credential reports).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Timestamp,
    /// `None` for services without regions, and if the source does not contain it.
    pub region: Option<String>,
    pub service: Option<String>,
}

/// A request that failed: the user it was about, the API call, and the message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadFault {
    pub user: Option<String>,
    /// As IAM policies name it: `iam:ListAccessKeys`.
    pub operation: String,
    pub message: String,
}

/// Returns the text, or `None` for `N/A` and the report's other words for "no value".
pub fn non_empty(text: &str) -> Option<String> {
    let absent = ["", "n/a", "no_information", "not_supported"];
    if absent.contains(&text.to_ascii_lowercase().as_str()) { None } else { Some(text.to_owned()) }
}

/// The region that signs IAM's requests in a partition (botocore's endpoint rules).
pub fn home_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_the_arn() {
        assert_eq!(path_from_arn("arn:aws:iam::123456789012:user/alice"), Some("/"));
        assert_eq!(path_from_arn("arn:aws-cn:iam::123456789012:user/a/b/alice"), Some("/a/b/"));
        assert_eq!(path_from_arn("arn:aws:iam::123456789012:root"), None);
    }

    #[test]
    fn a_status_never_seen_before_counts_as_active() {
        assert!(KeyStatus::from("Suspended").can_sign());
        assert!(!KeyStatus::from("Expired").can_sign());
        assert_eq!(KeyStatus::from("Suspended").to_string(), "Suspended");
    }
}
