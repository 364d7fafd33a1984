//! [`UserRotation`]: a run's task for one user.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::iam::KeyRecord;
use crate::policy::{Destination, RotationPolicy};
use crate::rotation::{RotationParams, RotationRequest};

/// A run's task for one user.
#[derive(Debug, Clone)]
pub struct UserRotation {
    pub user: Arc<str>,
    /// The name of the run.
    pub run: Arc<str>,
    /// The repository's numeric ID.
    pub repository: u64,
    /// `OWNER/NAME`, for descriptions.
    pub name: String,
    pub account: String,
    pub params: RotationParams,
    pub policy: Option<RotationPolicy>,
    /// The age at which the policy file reports a key as an error.
    pub max_age: Option<SignedDuration>,
    /// The page of the workflow run, where there is one.
    pub run_page: Option<String>,
    /// The path of the policy file in the repository; `None` if it is not a file of the repository.
    pub policy_file: Option<String>,
    /// The policy file's destinations. A rotation under way has its own.
    pub destinations: Vec<Destination>,
    pub asked: RotationRequest,
    /// Why a rollback is asked for; recorded in the journal.
    pub rollback_reason: Option<Arc<str>>,
    /// Whether to check that every destination can take a new key. An audit may lack the permissions for that.
    pub asks_preflight: bool,
}

impl UserRotation {
    /// Whether a rotation may begin now. Only then are the destinations checked for a new key.
    pub fn may_begin(&self, listed: Option<&Vec<KeyRecord>>, now: Timestamp) -> bool {
        let asked = self.asked.start || self.asked.compromised;
        // A user without a key is due for its first one
        let is_due =
            listed.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| self.is_old_enough(key, now)));
        self.params.may_rotate && (asked || is_due)
    }

    fn is_old_enough(&self, key: &KeyRecord, now: Timestamp) -> bool {
        now.duration_since(key.created_at) >= self.params.start_at
    }
}
