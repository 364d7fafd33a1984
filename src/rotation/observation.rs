//! What one look at a user found, each datum known or not, and the rules of its rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Datum;
use super::journal::{Journal, PlaceKind};

/// An access key ID. It is no secret.
pub type KeyId = Arc<str>;
/// A destination, as the journal tells it apart: its kind and its target.
pub type PlaceId = Arc<str>;
/// What changes when a destination's credential does: the digest of a file's ciphertext, a store's version or time.
pub type Marker = Arc<str>;

/// Everything that is known of one user, in the order in which it was read.
///
/// The order matters: keys that were made after the journal was read are in no list of orphans.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    pub user: Arc<str>,
    /// Who looks; a claim names its run.
    pub run: Arc<str>,
    /// The server's time.
    pub now: Timestamp,
    /// First read: the keys that exist.
    pub listed: Datum<BTreeSet<KeyId>>,
    /// Second read: the journal, the branch and the pull requests of the rotation under way.
    pub journal: Datum<Journal>,
    pub branch: Datum<BranchTip>,
    pub proposal: Datum<Option<Proposal>>,
    pub revert: Datum<Option<Proposal>>,
    /// Third read: the default branch and the stores.
    pub places: Vec<PlaceFacts>,
    /// The user's keys that are named in clear text on the default branch, or that somebody's open pull request would
    /// bring back; with what names them.
    pub mentions: Datum<BTreeMap<KeyId, Arc<str>>>,
    /// Whether the file that stops all writing is on the default branch.
    pub stopped: Datum<bool>,
    /// When the workflow of `validate` last succeeded on the default branch.
    pub validated: Datum<Option<Timestamp>>,
    /// Whether a new key could be put everywhere; asked only when one may be made.
    pub preflight: Datum<Result<(), String>>,
    /// Fourth read: the user and its keys again, with status and last use.
    pub user_id: Datum<Option<Arc<str>>>,
    pub owner: Datum<Owner>,
    pub keys: Datum<Vec<Key>>,
    pub asked: Asked,
}

/// Whom the user's owner tag names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    Us,
    Nobody,
    /// Another repository's numeric ID, or what else stands there.
    Other(String),
}

/// One access key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub id: KeyId,
    pub status: Status,
    pub created: Timestamp,
    /// `Known(None)`: never used.
    pub last_used: Datum<Option<Use>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Active,
    Inactive,
    /// A status that this version does not know.
    Other,
}

/// A use of a key, as IAM reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Use {
    pub at: Timestamp,
    pub service: Arc<str>,
}

/// What a destination holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceFacts {
    pub id: PlaceId,
    pub kind: PlaceKind,
    /// `Known(None)`: there is nothing.
    pub marker: Datum<Option<Marker>>,
}

/// What the tip of the rotation's branch would bring to the default branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BranchTip {
    Absent,
    /// A merge would publish the new key.
    Staged,
    /// A merge would not.
    Neutral,
}

/// A pull request of keytide's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proposal {
    pub number: u64,
    pub opened: Timestamp,
    pub state: PullState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PullState {
    Open { conflicting: bool },
    Closed,
    Merged { at: Timestamp },
}

/// What a person asked this run for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Start now, whatever the key's age.
    pub start: bool,
    /// The key is known to others: do not wait for grace, quiet and use.
    pub compromised: bool,
    pub rollback: bool,
}

/// How one user's key is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rules {
    /// The policy file still lists the user, with `rotation`.
    pub may_rotate: bool,
    /// The key's age at which a rotation begins.
    pub start_at: SignedDuration,
    pub grace: SignedDuration,
    pub quiet: SignedDuration,
    pub soak: SignedDuration,
    pub require_use: bool,
    /// Whether a workflow must have succeeded after the merge and after the deactivation.
    pub validate: bool,
}

impl Observation {
    /// A key as the last read found it.
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.known()?.iter().find(|key| &*key.id == id)
    }
}

impl Key {
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    pub fn is_inactive(&self) -> bool {
        self.status == Status::Inactive
    }
}
