//! The steps of a rotation: what a run does next for one user.

use std::fmt;
use std::sync::Arc;

use super::ids::{DestinationId, KeyId};
use super::journal::RedeployCause;

/// One step. `engine::execute` performs it and makes no decision of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RotationStep {
    /// Do nothing for now.
    Wait,
    /// Record in the journal that a run took place.
    Heartbeat,
    /// Record which run works on this user, and until when.
    Claim,
    /// Record the old key and what each destination holds.
    BeginRotation {
        key: KeyId,
    },
    /// Record that the user has no key, and what each destination holds.
    BeginFirstKey,
    /// Record which key goes without a successor.
    BeginRetirement {
        key: KeyId,
    },
    /// Record that something refers again to the key that is to go: its announcement no longer counts.
    WithdrawRetirement {
        key: KeyId,
        why: Arc<str>,
    },
    /// Create the new key, encrypt it for every destination, store the ciphertext, test the key, open the pull request.
    CreateKey,
    /// Create the branch and the pull request from the stored ciphertext.
    Propose,
    /// Put the stored ciphertext on top of the default branch's new head.
    Rebase {
        pull_request: u64,
    },
    /// Write the stored payloads to the stores.
    Deliver {
        destinations: Vec<DestinationId>,
    },
    /// Record that the old key is compromised.
    NoteCompromised,
    /// Record that every destination holds the new key.
    MarkDistributed,
    /// Start the workflow of `redeploy`, or find the run that an earlier attempt has started.
    Redeploy {
        cause: RedeployCause,
    },
    /// Record that the first key is in use, which ends the rotation.
    Complete,
    /// Record that a key is about to be deactivated: from then on no run may publish it.
    AnnounceRetirement {
        key: KeyId,
    },
    Deactivate {
        key: KeyId,
    },
    /// Record when a key became inactive.
    NoteInactive {
        key: KeyId,
    },
    Delete {
        key: KeyId,
    },
    /// Record that a key is deleted.
    NoteDeleted {
        key: KeyId,
    },
    Activate {
        key: KeyId,
    },
    /// Take a key whose secret is lost out of use: deactivate it, or delete it when it is inactive.
    Discard {
        key: KeyId,
        delete: bool,
    },
    /// Record that the new key is discarded: no run may publish it any more.
    AbandonNewKey {
        key: KeyId,
        why: String,
    },
    /// Take the new key out of the branch and close its pull request.
    DisarmBranch,
    BeginRollback {
        why: String,
    },
    /// Open the pull request that restores the old credential in the files.
    ProposeRevert,
    /// Restore the former version in the stores that keep versions.
    RestoreStores {
        destinations: Vec<DestinationId>,
    },
    Hold {
        why: String,
    },
}

impl RotationStep {
    /// The name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            // Journals of earlier versions have these names, and the failures of a step are counted by them
            Self::Wait => "wait",
            Self::Heartbeat => "touch",
            Self::Claim => "claim",
            Self::BeginRotation { .. } => "begin",
            Self::BeginFirstKey => "begin-first-key",
            Self::BeginRetirement { .. } => "begin-retirement",
            Self::WithdrawRetirement { .. } => "withdraw-retirement",
            Self::CreateKey => "issue",
            Self::Propose => "propose",
            Self::Rebase { .. } => "rebase",
            Self::Deliver { .. } => "deliver",
            Self::NoteCompromised => "note-compromised",
            Self::MarkDistributed => "distribute",
            Self::Redeploy { .. } => "redeploy",
            Self::Complete => "complete",
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

    /// Whether the step changes a key in IAM; a run does that once for a user.
    pub fn changes_keys(&self) -> bool {
        self.is_destructive() || matches!(self, Self::CreateKey | Self::Activate { .. })
    }

    /// Whether the step deactivates or deletes a key.
    pub fn is_destructive(&self) -> bool {
        matches!(self, Self::Deactivate { .. } | Self::Delete { .. } | Self::Discard { .. })
    }
}

impl fmt::Display for RotationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "nothing",
            Self::Heartbeat => "record this run in the journal",
            Self::Claim => "claim the user for this run",
            Self::BeginRotation { .. } => "begin the rotation",
            Self::BeginFirstKey => "begin to make the user's first key",
            Self::BeginRetirement { key } => return write!(f, "begin to retire the key {key}"),
            Self::WithdrawRetirement { .. } => "record that the key is still referred to",
            Self::CreateKey => "create the new key and open the pull request",
            Self::Propose => "open the pull request",
            Self::Rebase { .. } => "update the pull request",
            Self::Deliver { .. } => "write the new key to the stores",
            Self::NoteCompromised => "mark the old key as compromised",
            Self::MarkDistributed => "record that every destination holds the new key",
            Self::Redeploy { .. } => "start the workflow of `redeploy`",
            Self::Complete => "record that the first key is in use",
            Self::AnnounceRetirement { key } => return write!(f, "announce the deactivation of {key}"),
            Self::Deactivate { key } => return write!(f, "deactivate the key {key}"),
            Self::NoteInactive { key } => return write!(f, "record since when {key} is inactive"),
            Self::Delete { key } => return write!(f, "delete the key {key}"),
            Self::NoteDeleted { key } => return write!(f, "record that {key} is deleted"),
            Self::Activate { key } => return write!(f, "re-activate the key {key}"),
            Self::Discard { key, delete: false } => {
                return write!(f, "deactivate {key}, whose secret is lost");
            }
            Self::Discard { key, delete: true } => return write!(f, "delete {key}, whose secret is lost"),
            Self::AbandonNewKey { key, .. } => {
                return write!(f, "mark the new key {key} as discarded; it stays active until a later step");
            }
            Self::DisarmBranch => "reset the rotation branch",
            Self::BeginRollback { .. } => "begin the rollback",
            Self::ProposeRevert => "open the pull request that restores the old key",
            Self::RestoreStores { .. } => "restore the old key in the stores",
            Self::Hold { .. } => "pause until `keytide resume`",
        })
    }
}
