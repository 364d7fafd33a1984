//! Where a user's rotation stands.

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
    Due,
    Healthy,
}

impl RotationPhase {
    pub const ALL: [Self; 17] = [
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
        Self::Due,
        Self::Healthy,
    ];

    /// As reports write it.
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
            Self::Due => "due",
            Self::Healthy => "healthy",
        }
    }

    /// What it means, in a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Unknown => "What must be known before anything is done could not be read.",
            Self::Quarantined => {
                "The facts contradict each other; nothing is done until a person has looked."
            }
            Self::Held => "A rotation was rolled back; nothing begins until a person resumes it.",
            Self::Drifted => "A destination names a key that is not active.",
            Self::Orphan => "A run made a key and died before it kept the secret: nobody has it.",
            Self::Blocked => "A person must do something first.",
            Self::RollingBack => "The old key is being put back.",
            Self::Claimed => "A rotation has begun, and no new key exists yet.",
            Self::Unverified => "The new key was kept, and the run died before AWS accepted it.",
            Self::Closed => "The pull request was closed without a merge: the new key is taken out of use.",
            Self::Conflicting => "The pull request cannot be merged as it is.",
            Self::Proposed => "The pull request with the new key waits for its merge.",
            Self::Merged => "The new key is on the default branch and goes to the other destinations.",
            Self::Grace => "All destinations hold the new key; the old one is still active.",
            Self::Soaking => "The old key is inactive and can still be brought back.",
            Self::Due => "The key is old enough to be rotated.",
            Self::Healthy => "One active key, younger than the limit.",
        }
    }

    /// Whether only a person can end it.
    pub fn needs_person(self) -> bool {
        matches!(self, Self::Quarantined | Self::Held | Self::Blocked)
    }
}

impl fmt::Display for RotationPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
