//! Collects the facts from which the pull requests of a rotation are rendered.

use jiff::{SignedDuration, Timestamp};

use super::text::PullRequestText;
use crate::policy::RotationPolicy;
use crate::rotation::{DestinationSnapshot, KeyId, ObservedKey, Recipients, RotationParams};

/// The facts that the texts are made from.
#[derive(Debug, Clone)]
pub struct PullRequestData<'a> {
    pub user: &'a str,
    pub number: u32,
    pub account: &'a str,
    /// `None` when the new key is the user's first one.
    pub old: Option<&'a KeyId>,
    /// The old key as it was last observed, if it could be read.
    pub old_key: Option<&'a ObservedKey>,
    pub new: Option<&'a KeyId>,
    /// Whether the new key exists and is active, as it was last observed.
    pub new_is_active: bool,
    pub places: &'a [DestinationSnapshot],
    /// Who can decrypt the new key, and who could the one before: `None` in the first rotation.
    pub recipients: &'a Recipients,
    pub before: Option<&'a Recipients>,
    pub rules: &'a RotationParams,
    /// The old key has leaked.
    pub compromised: bool,
    /// Why the rotation is rolled back.
    pub rollback_reason: Option<&'a str>,
    /// The stores that have taken the new key.
    pub delivered: Vec<&'a str>,
    pub now: Timestamp,
    /// The age at which the policy file reports a key as an error.
    pub max_age: Option<SignedDuration>,
    /// The page of the workflow run that opens the pull request.
    pub run_page: Option<&'a str>,
    pub policy: Option<&'a RotationPolicy>,
}

impl PullRequestData<'_> {
    /// Where the pull request comes from; empty outside of a workflow.
    pub fn run_line(&self) -> String {
        match self.run_page {
            Some(page) => format!("\nOpened by keytide in [this workflow run]({page}).\n"),
            None => String::new(),
        }
    }

    /// Labels and reviewers; title and body are still to come.
    pub fn labels_and_reviewers(&self) -> PullRequestText {
        let policy = self.policy;
        PullRequestText {
            labels: policy.map(|policy| policy.labels.clone()).unwrap_or_default(),
            reviewers: policy.map(|policy| policy.reviewers.clone()).unwrap_or_default(),
            ..PullRequestText::default()
        }
    }
}
