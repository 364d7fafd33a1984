//! What a run does next for one user.

use std::fmt;

use super::ids::{DestinationId, KeyId};

/// One step. Whoever carries it out decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RotationStep {
    /// Nothing, for now.
    Wait,
    /// The journal learns that a run has looked.
    Heartbeat,
    /// The journal learns which run is at work, and until when.
    Claim,
    /// The journal learns what the rotation starts from.
    BeginRotation {
        key: KeyId,
    },
    /// Make the second key, encrypt it for every destination, keep that, prove the key, propose it.
    CreateKey,
    /// Make the branch and the pull request from what was kept.
    Propose,
    /// Put what was kept onto the default branch's new head.
    Rebase {
        pull_request: u64,
    },
    /// Give the kept payloads to the stores.
    Deliver {
        destinations: Vec<DestinationId>,
    },
    /// The journal learns that the old key is in wrong hands.
    NoteCompromised,
    /// The journal learns that every destination holds the new key.
    MarkDistributed,
    /// The journal learns that a key is to be deactivated: the fence.
    AnnounceRetirement {
        key: KeyId,
    },
    Deactivate {
        key: KeyId,
    },
    /// The journal learns since when a key is inactive.
    NoteInactive {
        key: KeyId,
    },
    Delete {
        key: KeyId,
    },
    /// The journal learns that a key is gone.
    NoteDeleted {
        key: KeyId,
    },
    Activate {
        key: KeyId,
    },
    /// Take a key out of use that nobody can have: deactivate it, or delete it when it is inactive.
    Discard {
        key: KeyId,
        delete: bool,
    },
    /// Give up the new key: it may not be published any more.
    AbandonNewKey {
        key: KeyId,
        why: String,
    },
    /// The branch no longer brings the new key; its pull request is closed.
    DisarmBranch,
    BeginRollback {
        why: String,
    },
    /// Propose the files as they were.
    ProposeRevert,
    /// Give the stores that can go back their former version.
    RestoreStores {
        destinations: Vec<DestinationId>,
    },
    Hold {
        why: String,
    },
}

impl RotationStep {
    /// As the journal names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Heartbeat => "touch",
            Self::Claim => "claim",
            Self::BeginRotation { .. } => "begin",
            Self::CreateKey => "issue",
            Self::Propose => "propose",
            Self::Rebase { .. } => "rebase",
            Self::Deliver { .. } => "deliver",
            Self::NoteCompromised => "note-compromised",
            Self::MarkDistributed => "distribute",
            Self::AnnounceRetirement { .. } => "retire",
            Self::Deactivate { .. } => "deactivate",
            Self::NoteInactive { .. } => "note-inactive",
            Self::Delete { .. } => "delete",
            Self::NoteDeleted { .. } => "note-deleted",
            Self::Activate { .. } => "activate",
            Self::Discard { .. } => "discard",
            Self::AbandonNewKey { .. } => "tombstone",
            Self::DisarmBranch => "neutralize",
            Self::BeginRollback { .. } => "begin-rollback",
            Self::ProposeRevert => "propose-revert",
            Self::RestoreStores { .. } => "move-back",
            Self::Hold { .. } => "hold",
        }
    }

    /// Whether it calls IAM to change a key; a run does that once for a user.
    pub fn changes_keys(&self) -> bool {
        self.is_destructive() || matches!(self, Self::CreateKey | Self::Activate { .. })
    }

    /// Whether it takes a key out of use.
    pub fn is_destructive(&self) -> bool {
        matches!(self, Self::Deactivate { .. } | Self::Delete { .. } | Self::Discard { .. })
    }
}

impl fmt::Display for RotationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "nothing",
            Self::Heartbeat => "note in the journal that a run has looked",
            Self::Claim => "claim the user for this run",
            Self::BeginRotation { .. } => "begin the rotation",
            Self::CreateKey => "make the new key and propose it",
            Self::Propose => "open the pull request",
            Self::Rebase { .. } => "bring the pull request up to date",
            Self::Deliver { .. } => "deliver the new key to the stores",
            Self::NoteCompromised => "note that the old key is in wrong hands",
            Self::MarkDistributed => "note that every destination holds the new key",
            Self::AnnounceRetirement { .. } => "announce the deactivation",
            Self::Deactivate { .. } => "deactivate the key",
            Self::NoteInactive { .. } => "note since when the key is inactive",
            Self::Delete { .. } => "delete the key",
            Self::NoteDeleted { .. } => "note that the key is gone",
            Self::Activate { .. } => "re-activate the key",
            Self::Discard { .. } => "take the key out of use that nobody has",
            Self::AbandonNewKey { .. } => "give up the new key",
            Self::DisarmBranch => "make the branch harmless",
            Self::BeginRollback { .. } => "begin to roll back",
            Self::ProposeRevert => "open the pull request that reverts",
            Self::RestoreStores { .. } => "move the stores back",
            Self::Hold { .. } => "stop until a person resumes",
        })
    }
}
