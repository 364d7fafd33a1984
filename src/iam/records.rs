//! What IAM replies about a user and its access keys, as audits and rotations read it. `mod.rs` has what an audit makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::status::KeyStatus;

/// The tag that names the repository that owns a user, by its numeric ID.
const OWNER_TAG: &str = "keytide:owner";

/// A user in the list of an account's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    pub name: String,
    pub arn: String,
}

/// An IAM user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The unique ID. A user that is deleted and created again under the same name has another.
    pub id: Arc<str>,
    pub arn: String,
    pub tags: BTreeMap<String, String>,
}

/// An access key in the list of a user's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub id: Arc<str>,
    pub status: KeyStatus,
    pub created_at: Timestamp,
}

impl UserRecord {
    /// The value of the tag that names the owner.
    pub fn owner_tag(&self) -> Option<&str> {
        self.tags.get(OWNER_TAG).map(String::as_str)
    }
}
