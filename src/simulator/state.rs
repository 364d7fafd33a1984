//! The simulated state of IAM, GitHub and the stores. It is small enough to be copied at every change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::rng::SplitMix;
use super::versioned_secret::VersionedSecret;
use crate::destinations::encryption::SealedPayload;
use crate::ports::StagedFiles;
use crate::rotation::{Fingerprint, JournalEntry, KeyId, KeyState, KeyUse, PullRequestState};

/// The name of the default branch's reference.
pub const MAIN: &str = "main";

#[derive(Clone)]
pub struct SimState {
    pub now: Timestamp,
    pub users: BTreeMap<String, SimUser>,
    pub refs: BTreeMap<String, Arc<str>>,
    pub commits: HashMap<Arc<str>, Rc<SimCommit>>,
    pub pulls: Vec<SimPullRequest>,
    pub journals: BTreeMap<String, Vec<Rc<StoredEntry>>>,
    pub secrets: BTreeMap<String, StoredSecret>,
    /// The secrets of the store that keeps versions.
    pub vaults: BTreeMap<String, VersionedSecret>,
    /// When a workflow last succeeded.
    pub workflows: BTreeMap<String, Timestamp>,
    /// Every run that a dispatch has started, in order; a run's number is its place here, from 1 on.
    pub runs: Vec<SimRun>,
    /// The workflows whose next runs fail.
    pub failing_workflows: BTreeSet<String>,
    /// A rule of the repository refuses keytide's commits whose message has this in it; if it is empty, its branches too.
    pub refused_message: Option<String>,
    /// Draws key IDs and secrets.
    pub fate: SplitMix,
    pub serial: u64,
}

/// An IAM user.
#[derive(Debug, Clone)]
pub struct SimUser {
    pub id: Arc<str>,
    pub tags: BTreeMap<String, String>,
    pub keys: Vec<SimKey>,
}

/// An access key. Its secret is drawn at random and opens nothing outside the simulation.
#[derive(Debug, Clone)]
pub struct SimKey {
    pub id: KeyId,
    pub secret: Rc<str>,
    pub status: KeyState,
    pub created: Timestamp,
    /// From when on every AWS service accepts it.
    pub known_from: Timestamp,
    pub inactive_from: Option<Timestamp>,
    /// Each use, with the time from which IAM reports it.
    pub uses: Vec<(KeyUse, Timestamp)>,
    /// Whether a person made it.
    pub by_hand: bool,
}

pub struct SimCommit {
    pub parents: Vec<Arc<str>>,
    pub files: BTreeMap<String, Rc<[u8]>>,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct SimPullRequest {
    pub number: u64,
    pub branch: String,
    pub title: String,
    pub body: String,
    pub opened: Timestamp,
    pub state: PullRequestState,
}

pub struct StoredEntry {
    pub commit: Arc<str>,
    pub entry: Arc<JournalEntry>,
    pub kept: StagedFiles,
}

/// How long a run of a workflow takes.
const RUN_DURATION: SignedDuration = SignedDuration::from_mins(6);

/// A run of a workflow that was started by a dispatch.
#[derive(Debug, Clone)]
pub struct SimRun {
    pub workflow: String,
    pub created: Timestamp,
    pub succeeds: bool,
    /// A person started it, not keytide.
    pub by_hand: bool,
}

impl SimRun {
    pub fn ends_at(&self) -> Timestamp {
        self.created + RUN_DURATION
    }
}

/// A secret of the store that keeps no versions.
#[derive(Debug, Clone)]
pub struct StoredSecret {
    pub payloads: Vec<SealedPayload>,
    pub marker: Fingerprint,
}

impl SimState {
    pub fn new(now: Timestamp, seed: u64) -> Self {
        let root: Arc<str> = "c0".into();
        let commit = SimCommit { parents: Vec::new(), files: BTreeMap::new(), message: "first".to_owned() };
        Self {
            now,
            users: BTreeMap::new(),
            refs: BTreeMap::from([(MAIN.to_owned(), root.clone())]),
            commits: HashMap::from([(root, Rc::new(commit))]),
            pulls: Vec::new(),
            journals: BTreeMap::new(),
            secrets: BTreeMap::new(),
            vaults: BTreeMap::new(),
            workflows: BTreeMap::new(),
            runs: Vec::new(),
            failing_workflows: BTreeSet::new(),
            refused_message: None,
            fate: SplitMix::new(seed ^ 0x6b65_7974_6964_6521),
            serial: 0,
        }
    }

    /// A number that is used for one name only.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn find_key(&self, id: &str) -> Option<&SimKey> {
        self.users.values().flat_map(|user| &user.keys).find(|key| &*key.id == id)
    }

    /// Whether an active key has this secret access key.
    pub fn is_active_secret(&self, secret: &str) -> bool {
        let mut keys = self.users.values().flat_map(|user| &user.keys);
        keys.any(|key| key.status == KeyState::Active && *key.secret == *secret)
    }

    /// The files in the commit of a reference.
    pub fn files_at(&self, reference: &str) -> Option<&BTreeMap<String, Rc<[u8]>>> {
        Some(&self.commits.get(self.refs.get(reference)?)?.files)
    }
}
