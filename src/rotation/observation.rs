//! The facts about one user that a run has read, each known or unknown, and the rules of the user's rotation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ids::{DestinationId, Fingerprint, KeyId};
use super::inactive_keys::InactiveKeys;
use super::journal::{Journal, OpenRotation, StorageKind};
use super::observed::Observed;
use super::timing::OWN_TEST_WINDOW;
use crate::iam::{KeyStatus, LastUse};

/// Everything that a run has read about one user, in the order of reading.
///
/// The order matters: the first list of keys is older than the journal, so a key that another run created since is not
/// in it and is never taken for an orphan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    pub user: Arc<str>,
    /// The run that reads; a claim names its run.
    pub run: Arc<str>,
    /// The server's time.
    pub now: Timestamp,
    /// First read: the keys that exist.
    pub listed: Observed<BTreeSet<KeyId>>,
    /// Second read: the journal, the branch and the pull requests of the rotation under way.
    pub journal: Observed<Journal>,
    pub branch: Observed<BranchTip>,
    pub pull_request: Observed<Option<PullRequest>>,
    pub revert_pull_request: Observed<Option<PullRequest>>,
    /// Third read: the default branch and the stores.
    pub destinations: Vec<DestinationState>,
    /// The user's keys that the default branch names in clear text, or that another open pull request would publish; with
    /// where.
    pub key_mentions: Observed<BTreeMap<KeyId, KeyMention>>,
    /// Whether the stop file is on the default branch.
    pub is_stopped: Observed<bool>,
    /// When the workflow of `validate` last succeeded on the default branch.
    pub validated_at: Observed<Option<Timestamp>>,
    /// The run of the workflow of `redeploy` that the journal names for the current redeployment.
    pub redeploy_run: Observed<Option<RedeployRun>>,
    /// Whether every destination can take a new key; checked only when one may be created.
    pub preflight: Observed<Result<(), String>>,
    /// Who could decrypt the new key of an open pull request, and is no recipient of its destination any more: the first such,
    /// in words. Read only while the pull request is open.
    pub removed_recipient: Observed<Option<String>>,
    /// Fourth read: the user and its keys again, with status and last use.
    pub user_id: Observed<Option<Arc<str>>>,
    pub owner: Observed<OwnerTag>,
    /// The tag that records the inactive keys. No decision depends on it; it can only refuse one.
    pub inactive_keys: Observed<InactiveKeys>,
    pub keys: Observed<Vec<ObservedKey>>,
    pub request: RotationRequest,
}

/// The repository that the user's owner tag names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnerTag {
    ThisRepository,
    /// There is no tag, and it would have to name this repository's ID.
    Missing {
        repository: u64,
    },
    /// Another repository's numeric ID, or whatever text the tag holds.
    OtherRepository(String),
}

/// One access key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservedKey {
    pub id: KeyId,
    pub status: KeyState,
    pub created: Timestamp,
    /// `Known(None)`: never used.
    pub last_used: Observed<Option<KeyUse>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    Active,
    Inactive,
    /// A status that this version does not know.
    Other,
}

/// A use of a key, as IAM reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyUse {
    pub at: Timestamp,
    pub service: Arc<str>,
    /// IAM does not name one for services that are global.
    pub region: Option<Arc<str>>,
}

impl KeyUse {
    /// Whether this may be keytide's own test of a new key, which asks STS who it is: no proof that an application uses it.
    pub fn is_own_check(&self, rotation: &OpenRotation) -> bool {
        &*self.service == "sts"
            && rotation.verified.is_some_and(|verified| self.at <= verified + OWN_TEST_WINDOW)
    }
}

/// What a destination holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DestinationState {
    pub id: DestinationId,
    pub kind: StorageKind,
    /// `Known(None)`: there is nothing.
    pub fingerprint: Observed<Option<Fingerprint>>,
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

/// A pull request that keytide opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PullRequest {
    pub number: u64,
    pub opened: Timestamp,
    pub state: PullRequestState,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PullRequestState {
    Open { conflicting: bool },
    Closed,
    Merged { at: Timestamp },
}

/// A run of the workflow of `redeploy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedeployRun {
    pub number: u64,
    pub state: RunState,
}

/// How far a run of a workflow is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RunState {
    Running,
    /// This run, or a later one of the same workflow, has succeeded.
    Succeeded {
        at: Timestamp,
    },
    /// It ended otherwise: GitHub's word for how.
    Failed {
        conclusion: Arc<str>,
    },
    /// GitHub has no such run of this workflow.
    Missing,
}

/// What this run was asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RotationRequest {
    /// Start now, whatever the key's age.
    pub start: bool,
    /// The key has leaked: rotate now, skip the grace and quiet periods.
    pub compromised: bool,
    pub rollback: bool,
    /// The rollback may activate the old key although it is marked as compromised.
    pub reactivate_compromised: bool,
}

/// How one user's key is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RotationParams {
    /// The policy file still lists the user, with `rotation`.
    pub may_rotate: bool,
    /// The policy file lists the user with `retire`: its keys go, and no new one comes.
    pub may_retire: bool,
    /// The key's age at which a rotation begins.
    pub start_at: SignedDuration,
    pub grace: SignedDuration,
    pub quiet: SignedDuration,
    pub soak: SignedDuration,
    pub require_use: bool,
    /// Whether a workflow must have succeeded after the merge and after the deactivation.
    pub validate: bool,
    /// Whether a workflow is started once every destination holds the new key, and after a rollback.
    pub redeploy: bool,
}

impl From<&KeyStatus> for KeyState {
    fn from(status: &KeyStatus) -> Self {
        match status {
            KeyStatus::Active => Self::Active,
            KeyStatus::Inactive => Self::Inactive,
            KeyStatus::Expired | KeyStatus::Other(_) => Self::Other,
        }
    }
}

impl From<LastUse> for KeyUse {
    fn from(used: LastUse) -> Self {
        Self {
            at: used.at,
            service: used.service.unwrap_or_default().into(),
            region: used.region.map(Into::into),
        }
    }
}

impl Observation {
    /// A key as the last read found it.
    pub fn find_key(&self, id: &str) -> Option<&ObservedKey> {
        self.keys.known()?.iter().find(|key| &*key.id == id)
    }

    /// A destination that holds a key which is inactive or gone, as far as it is known: what reads it there fails.
    pub fn failing_destination(&self) -> Option<(&DestinationState, &KeyId)> {
        let (journal, keys) = (self.journal.known()?, self.keys.known()?);
        let holds_lost = |place: &&DestinationState| {
            let id = place.key_in(journal);
            id.is_some_and(|id| !keys.iter().any(|key| key.id == *id && !key.is_inactive()))
        };
        let place = self.destinations.iter().find(holds_lost)?;
        Some((place, place.key_in(journal)?))
    }

    /// Whether a fact that decides the phase of a user without a rotation could not be read, but for a destination that needs
    /// a permission which the run has not.
    pub fn has_failed_read(&self) -> bool {
        self.listed.read_failure().is_some()
            || self.keys.read_failure().is_some()
            || self.user_id.read_failure().is_some()
            || self.is_stopped.read_failure().is_some()
            || self.destinations.iter().any(|place| place.fingerprint.has_failed())
    }

    /// The old key of a rotation, while it is active.
    pub fn active_old_key<'r>(&self, rotation: &'r OpenRotation) -> Option<&'r KeyId> {
        rotation.old.as_ref().filter(|old| self.find_key(old).is_some_and(ObservedKey::is_active))
    }
}

impl PullRequest {
    pub fn is_open(&self) -> bool {
        matches!(self.state, PullRequestState::Open { .. })
    }
}

impl DestinationState {
    /// The key that the destination holds, if the journal knows its fingerprint.
    pub fn key_in<'j>(&self, journal: &'j Journal) -> Option<&'j KeyId> {
        let fingerprint = self.fingerprint.known()?.as_ref()?;
        journal.key_by_fingerprint.get(&(self.id.clone(), fingerprint.clone()))
    }
}

impl ObservedKey {
    pub fn is_active(&self) -> bool {
        self.status == KeyState::Active
    }

    pub fn is_inactive(&self) -> bool {
        self.status == KeyState::Inactive
    }
}

/// What names a key in clear text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyMention {
    /// In words, such as "`deploy.yml` names it".
    pub text: Arc<str>,
    /// Only an open pull request does, so that nothing reads the key there yet.
    pub is_proposed: bool,
}

impl KeyMention {
    pub fn proposed(text: &str) -> Self {
        Self { text: text.into(), is_proposed: true }
    }
}

impl From<&str> for KeyMention {
    fn from(text: &str) -> Self {
        Self { text: text.into(), is_proposed: false }
    }
}

impl From<String> for KeyMention {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}
