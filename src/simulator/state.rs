//! The truth: what IAM, GitHub and the stores hold. Small enough to be copied at every change.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use super::Rng;
use super::stores::Vault;
use crate::destinations::encryption::Payload;
use crate::ports::Kept;
use crate::rotation::{Entry, KeyId, Marker, PullState, Status, Use};

/// The name of the default branch's reference.
pub const MAIN: &str = "main";

#[derive(Clone)]
pub struct Body {
    pub now: Timestamp,
    pub users: BTreeMap<String, UserRecord>,
    pub refs: BTreeMap<String, Arc<str>>,
    pub commits: HashMap<Arc<str>, Rc<Commit>>,
    pub pulls: Vec<Pull>,
    pub journals: BTreeMap<String, Vec<Rc<JournalEntry>>>,
    pub secrets: BTreeMap<String, Secret>,
    /// What the store that keeps versions holds.
    pub vaults: BTreeMap<String, Vault>,
    /// When a workflow last succeeded.
    pub workflows: BTreeMap<String, Timestamp>,
    /// The names and secrets that are given out.
    pub fate: Rng,
    pub serial: u64,
}

/// An IAM user.
#[derive(Debug, Clone)]
pub struct UserRecord {
    pub id: Arc<str>,
    pub tags: BTreeMap<String, String>,
    pub keys: Vec<KeyRecord>,
}

/// An access key. Its secret is a play thing: it opens nothing outside this world.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    pub id: KeyId,
    pub secret: Rc<str>,
    pub status: Status,
    pub created: Timestamp,
    /// From then on AWS knows it everywhere.
    pub known_from: Timestamp,
    pub inactive_from: Option<Timestamp>,
    /// Each use, with the time from which IAM tells it.
    pub uses: Vec<(Use, Timestamp)>,
    /// Whether a person made it.
    pub by_hand: bool,
}

pub struct Commit {
    pub parents: Vec<Arc<str>>,
    pub files: BTreeMap<String, Rc<[u8]>>,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct Pull {
    pub number: u64,
    pub branch: String,
    pub title: String,
    pub body: String,
    pub opened: Timestamp,
    pub state: PullState,
}

pub struct JournalEntry {
    pub commit: Arc<str>,
    pub entry: Arc<Entry>,
    pub kept: Kept,
}

/// What a store holds.
#[derive(Debug, Clone)]
pub struct Secret {
    pub payloads: Vec<Payload>,
    pub marker: Marker,
}

impl Body {
    pub fn new(now: Timestamp, seed: u64) -> Self {
        let root: Arc<str> = "c0".into();
        let commit = Commit { parents: Vec::new(), files: BTreeMap::new(), message: "first".to_owned() };
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
            fate: Rng::new(seed ^ 0x6b65_7974_6964_6521),
            serial: 0,
        }
    }

    /// A name that nothing else has.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn key(&self, id: &str) -> Option<&KeyRecord> {
        self.users.values().flat_map(|user| &user.keys).find(|key| &*key.id == id)
    }

    /// The files of a reference's commit.
    pub fn files(&self, reference: &str) -> Option<&BTreeMap<String, Rc<[u8]>>> {
        Some(&self.commits.get(self.refs.get(reference)?)?.files)
    }
}
