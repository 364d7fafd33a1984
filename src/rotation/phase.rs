//! The phases of a user's rotation.

use std::fmt;

/// The phases, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RotationPhase {
    Unknown,
    Quarantined,
    Held,
    Drifted,
    Orphan,
    Blocked,
    RollingBack,
    Claimed,
    Unverified,
    Closed,
    Conflicting,
    Proposed,
    Merged,
    Grace,
    Soaking,
    Retiring,
    Due,
    Retired,
    Healthy,
}

impl RotationPhase {
    pub const ALL: [Self; 19] = [
        Self::Unknown,
        Self::Quarantined,
        Self::Held,
        Self::Drifted,
        Self::Orphan,
        Self::Blocked,
        Self::RollingBack,
        Self::Claimed,
        Self::Unverified,
        Self::Closed,
        Self::Conflicting,
        Self::Proposed,
        Self::Merged,
        Self::Grace,
        Self::Soaking,
        Self::Retiring,
        Self::Due,
        Self::Retired,
        Self::Healthy,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Quarantined => "quarantined",
            Self::Held => "held",
            Self::Drifted => "drifted",
            Self::Orphan => "orphan",
            Self::Blocked => "blocked",
            Self::RollingBack => "rolling-back",
            Self::Claimed => "claimed",
            Self::Unverified => "unverified",
            Self::Closed => "closed",
            Self::Conflicting => "conflicting",
            Self::Proposed => "proposed",
            Self::Merged => "merged",
            Self::Grace => "grace",
            Self::Soaking => "soaking",
            Self::Retiring => "retiring",
            Self::Due => "due",
            Self::Retired => "retired",
            Self::Healthy => "healthy",
        }
    }

    /// What the phase means, in a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Unknown => "A required fact could not be read; nothing is changed until it can be.",
            Self::Quarantined => {
                "The facts contradict each other; nothing is changed until `keytide resume`."
            }
            Self::Held => "A rotation was rolled back or stopped; nothing begins until `keytide resume`.",
            Self::Drifted => "A destination holds a key that is not active.",
            Self::Orphan => "A run created a key and ended before it stored the secret, which no one has.",
            Self::Blocked => "The rotation waits for you to fix something.",
            Self::RollingBack => "Every destination gets back what it held before: the old key, or nothing.",
            Self::Claimed => "A rotation has begun; the new key does not exist yet.",
            Self::Unverified => "The new key is stored, but the run ended before AWS accepted it.",
            Self::Closed => {
                "The pull request was closed unmerged; the new key is deactivated and later deleted."
            }
            Self::Conflicting => "The pull request has conflicts.",
            Self::Proposed => "The pull request with the new key is open.",
            Self::Merged => {
                "The new key is on the default branch and is being written to the other destinations."
            }
            Self::Grace => {
                "All destinations hold the new key; it must be in use, and the old one, if any, no longer."
            }
            Self::Soaking => "The old key is inactive; a rollback re-activates it.",
            Self::Retiring => {
                "The key is to go without a successor; it stays active until nothing refers to it or uses it."
            }
            Self::Retired => "The user has no access key, as `retire` in the policy file asks.",
            Self::Due => "The key is old enough to be rotated, or the user has none and gets its first one.",
            Self::Healthy => "One active key, younger than the limit.",
        }
    }

    /// Whether the phase ends only when a person acts.
    pub fn needs_person(self) -> bool {
        matches!(self, Self::Quarantined | Self::Held | Self::Blocked)
    }
}

impl fmt::Display for RotationPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
