//! What AWS says: users, their access keys, when they were last used; each fact with its source and its time.
//!
//! Plain data. It does not know how it was gathered, and nothing here decides.

pub mod credential_report;
pub mod merge;
pub mod sample;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// A live answer of IAM.
    Iam,
    /// The credential report, up to four hours old when AWS hands it out.
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

/// The source of a fact, and the time at which it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Provenance {
    pub source: DataSource,
    pub as_of: Timestamp,
}

/// A fact that is known, or why it is not. An unknown fact never counts in anybody's favour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcedFact<T> {
    Known(T, Provenance),
    Unknown(UnknownReason),
}

/// Why a fact is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// Nobody asked: the answer could not have changed a finding.
    NotAsked,
    /// The source does not hold it.
    NotInSource,
    /// Asking failed; the inventory's faults say how.
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

/// All that was learnt about an account, for the users a policy speaks of.
#[derive(Debug, Clone)]
pub struct AccountInventory {
    /// Twelve digits.
    pub account: String,
    /// `iam`, `report` or `auto`: how the account was read.
    pub source: &'static str,
    /// In the order of the policy file, then by name.
    pub users: Vec<IamUser>,
    /// Names that the policy gives and the account does not have.
    pub missing: Vec<String>,
    /// Whether the account's root user has an access key.
    pub root_key: SourcedFact<bool>,
    pub faults: Vec<ReadFault>,
    /// What this inventory cannot know by its nature, in sentences.
    pub limits: Vec<String>,
}

/// One IAM user.
#[derive(Debug, Clone)]
pub struct IamUser {
    pub name: String,
    /// The whole ARN, where a source told it.
    pub arn: Option<String>,
    pub keys: Vec<AccessKey>,
    /// Where and when the keys were listed.
    pub listed: Provenance,
    /// Whether the user can sign in to the console.
    pub console_password: SourcedFact<bool>,
    /// The value of the tag `keytide:owner`; `None` when the user has no such tag.
    pub owner: SourcedFact<Option<String>>,
    /// Whether AWS attached its compromised-key quarantine policy.
    pub quarantined: SourcedFact<bool>,
}

impl IamUser {
    /// The IAM path, `/` or `/services/`.
    pub fn iam_path(&self) -> Option<&str> {
        self.arn.as_deref().and_then(path_from_arn)
    }

    /// The keys in the order of their creation, each with its place in it, from 1.
    pub fn keys_by_age(&self) -> Vec<(usize, &AccessKey)> {
        let mut keys: Vec<&AccessKey> = self.keys.iter().collect();
        keys.sort_by(|a, b| (a.created_at, &a.id, a.slot).cmp(&(b.created_at, &b.id, b.slot)));
        keys.into_iter().enumerate().map(|(index, key)| (index + 1, key)).collect()
    }
}

/// The path in a user's ARN: `arn:aws:iam::123456789012:user/a/b/name` → `/a/b/`.
pub fn path_from_arn(arn: &str) -> Option<&str> {
    let path = arn.splitn(6, ':').nth(5)?.strip_prefix("user")?;
    path.starts_with('/').then(|| &path[..=path.rfind('/').unwrap_or(0)])
}

/// One access key. The secret access key is no part of it: AWS never tells it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key ID; the credential report does not have it.
    pub id: Option<String>,
    /// The report's number of the key, 1 or 2, where there is no ID.
    pub slot: Option<u8>,
    pub status: KeyStatus,
    pub created_at: Timestamp,
    /// The report's date is "created or last changed": the key may be older.
    pub may_be_older: bool,
    /// `None`: never used, or not since IAM began to record it on 2015-04-22.
    pub last_used: SourcedFact<Option<LastUse>>,
}

/// The status of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStatus {
    Active,
    Inactive,
    Expired,
    /// One that AWS added later.
    Other(String),
}

impl KeyStatus {
    /// Whether the key may open a door: a status never seen before does until proved otherwise.
    pub fn can_sign(&self) -> bool {
        matches!(self, Self::Active | Self::Other(_))
    }
}

impl From<&str> for KeyStatus {
    fn from(text: &str) -> Self {
        match text {
            "Active" => Self::Active,
            "Inactive" => Self::Inactive,
            "Expired" => Self::Expired,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Inactive => f.write_str("inactive"),
            Self::Expired => f.write_str("expired"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The last recorded use of a key; a later one within fifteen minutes is not recorded (AWS, credential reports).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Timestamp,
    /// `None` for services without regions and where the source does not say.
    pub region: Option<String>,
    pub service: Option<String>,
}

/// Something that could not be read: of which user, by which call, and what AWS said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadFault {
    pub user: Option<String>,
    /// As a policy names it: `iam:ListAccessKeys`.
    pub operation: String,
    pub message: String,
}

/// `N/A` and its kin mean that there is nothing to tell.
pub fn non_empty(text: &str) -> Option<String> {
    let absent = ["", "n/a", "no_information", "not_supported"];
    (!absent.contains(&text.to_ascii_lowercase().as_str())).then(|| text.to_owned())
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
