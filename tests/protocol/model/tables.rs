//! What the model computes with production code, each thing once: journals folded entry by entry and aged, decisions.

use std::hash::Hash;
use std::sync::{Arc, LazyLock, RwLock};

use ahash::HashMap;
use jiff::{SignedDuration, Timestamp};
use keytide::rotation::journal::JOURNAL_VERSION;
use keytide::rotation::{
    DestinationId, DestinationSnapshot, Fingerprint, Journal, JournalEntry, JournalEvent, KeyId,
    RotationParams, StepDecision, StorageKind,
};

use super::state::{Ev, Id, KEYS, bit};

/// One tick of the model: longer than every short wait of the protocol (a claim, a request's life, a merge's and a
/// use's delay), and than `grace`, `quiet` and `soak` of [`rules`], but not than `quiet` and the delay together.
pub const TICK: SignedDuration = SignedDuration::from_mins(250);
/// The runs, those that are no more, and the one who wrote an entry that arrives late: it tells nothing of the others.
pub const RUNS: [&str; 4] = ["A", "B", "dead", "late"];
const LATE: usize = 3;

/// The number of every run of the workflow.
pub const RUN: u64 = 7;

/// The model's present, always: time passes by making everything else older.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn ago(ticks: u8) -> Timestamp {
    now() - TICK * i32::from(ticks)
}

static IDS: LazyLock<Vec<KeyId>> =
    LazyLock::new(|| (0..KEYS).map(|n| KeyId::from(format!("K{n}"))).collect());

pub fn key_id(id: Id) -> KeyId {
    IDS[id as usize].clone()
}

pub fn index(id: &str) -> Id {
    IDS.iter().position(|known| **known == *id).unwrap() as Id
}

pub fn file() -> DestinationId {
    "sops creds.yaml".into()
}

pub fn store() -> DestinationId {
    "github_secret CREDS".into()
}

pub fn file_marker(id: Id) -> Fingerprint {
    format!("f{id}").into()
}

pub fn store_marker(mark: u8) -> Fingerprint {
    format!("s{mark}").into()
}

/// Each is one tick long. `retires`: the policy file asks for a retirement.
pub fn rules(retires: bool, redeploys: bool) -> RotationParams {
    let one = SignedDuration::from_hours(4);
    RotationParams {
        may_rotate: !retires,
        may_retire: retires,
        start_at: SignedDuration::from_hours(24 * 60),
        grace: one,
        quiet: one,
        soak: one,
        require_use: true,
        validate: false,
        redeploy: redeploys,
    }
}

/// Which destinations the user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub file: bool,
    pub store: Option<StorageKind>,
}

type Memo<K, V> = RwLock<HashMap<K, V>>;

pub fn memo<K: Eq + Hash, V: Clone>(memo: &Memo<K, V>, key: K, make: impl FnOnce() -> V) -> V {
    if let Some(known) = memo.read().unwrap().get(&key) {
        return known.clone();
    }
    let made = make();
    memo.write().unwrap().entry(key).or_insert(made).clone()
}

#[derive(Default)]
struct Journals {
    all: Vec<Arc<Journal>>,
    numbers: HashMap<Arc<Journal>, u32>,
}

/// The numbers of the journals that were met, and what was computed of them.
pub struct Tables<L> {
    shape: Shape,
    journals: RwLock<Journals>,
    taken: Memo<(u32, Ev, u8, u8), u32>,
    aged: Memo<(u32, bool), u32>,
    renamed: Memo<(u32, u8), u32>,
    pruned: Memo<(u32, u8), u32>,
    pub decisions: Memo<L, Arc<StepDecision>>,
    /// How many more fault-free rounds a state at rest needs.
    pub rounds: Memo<u64, Result<u8, String>>,
}

impl<L> Tables<L> {
    /// Number 0 is the journal that does not exist.
    pub fn new(shape: Shape) -> Self {
        let tables = Self {
            shape,
            journals: RwLock::default(),
            taken: RwLock::default(),
            aged: RwLock::default(),
            renamed: RwLock::default(),
            pruned: RwLock::default(),
            decisions: RwLock::default(),
            rounds: RwLock::default(),
        };
        tables.number(Journal::default());
        tables
    }

    pub fn journal(&self, number: u32) -> Arc<Journal> {
        self.journals.read().unwrap().all[number as usize].clone()
    }

    pub fn journals(&self) -> usize {
        self.journals.read().unwrap().all.len()
    }

    fn number(&self, mut journal: Journal) -> u32 {
        // Times that no row compares with anything but the present are the present's.
        (journal.last_entry_at, journal.latest_commit) = (None, None);
        journal.claim.take_if(|claim| claim.until <= now());
        if let Some(rotation) = &mut journal.open {
            rotation.began_at = now();
            rotation.redeployment.iter_mut().for_each(|begun| begun.announced_at = now());
        }
        if let Some(known) = self.journals.read().unwrap().numbers.get(&journal) {
            return *known;
        }
        let mut journals = self.journals.write().unwrap();
        let journal = Arc::new(journal);
        if let Some(known) = journals.numbers.get(&journal) {
            return *known;
        }
        let number = journals.all.len() as u32;
        journals.all.push(journal.clone());
        journals.numbers.insert(journal, number);
        number
    }

    /// The journal after one more entry, of a run, written some ticks ago.
    pub fn take(&self, journal: u32, ev: Ev, run: usize, age: u8) -> u32 {
        let run = if run == super::state::DEAD { LATE } else { run };
        memo(&self.taken, (journal, ev, run as u8, age), || {
            let mut after = (*self.journal(journal)).clone();
            let entry = self.entry(&after, ev, run, age);
            after.apply_entry("u", "head", &entry);
            self.number(after)
        })
    }

    fn entry(&self, journal: &Journal, ev: Ev, run: usize, age: u8) -> JournalEntry {
        let at = ago(age);
        let event = self.event(journal, ev, at);
        JournalEntry { version: JOURNAL_VERSION, user: "u".into(), at, run: RUNS[run].into(), event }
    }

    fn event(&self, journal: &Journal, ev: Ev, at: Timestamp) -> JournalEvent {
        let key = key_id;
        let why = || "because".to_owned();
        match ev {
            Ev::Claim => JournalEvent::Claim { until: at + SignedDuration::from_mins(30) },
            Ev::Release => JournalEvent::Release,
            Ev::Touch => JournalEvent::Heartbeat,
            Ev::Begin { key: old, main, mark } => JournalEvent::Intent {
                number: journal.last_number + 1,
                user_id: "id".into(),
                key: key(old),
                places: self.frozen(main, mark),
                compromised: false,
            },
            Ev::BeginFirst { mark } => JournalEvent::FirstKey {
                number: journal.last_number + 1,
                user_id: "id".into(),
                places: self.bare(mark),
            },
            Ev::Completed => JournalEvent::Completed,
            Ev::Retire(k) => JournalEvent::Retirement {
                number: journal.last_number + 1,
                user_id: "id".into(),
                key: key(k),
            },
            Ev::Needed(k) => JournalEvent::Needed { key: key(k), why: why() },
            Ev::Create => JournalEvent::Create,
            Ev::Staged(k) => self.staged(k),
            Ev::Verified => JournalEvent::Verified,
            Ev::Proposed => JournalEvent::Proposed { pull_request: 1 },
            Ev::Delivered(mark) => JournalEvent::Delivered { place: store(), marker: store_marker(mark) },
            Ev::Distributed => JournalEvent::Distributed,
            Ev::Redeploying(cause) => JournalEvent::Redeploying { cause },
            Ev::Redeployed(cause) => JournalEvent::Redeployed { cause, run: RUN },
            Ev::Retiring(k) => JournalEvent::Retiring { key: key(k) },
            Ev::Deactivate(k) => JournalEvent::Deactivate { key: key(k) },
            Ev::InactiveSince(k) => JournalEvent::InactiveSince { key: key(k) },
            Ev::Activate(k) => JournalEvent::Activate { key: key(k) },
            Ev::Delete(k) => JournalEvent::Delete { key: key(k) },
            Ev::Deleted(k) => JournalEvent::Deleted { key: key(k) },
            Ev::Discard(k) => JournalEvent::Discard { key: key(k) },
            Ev::Tombstone(k) => JournalEvent::NewKeyAbandoned { key: key(k), why: why() },
            Ev::Rollback => JournalEvent::Rollback { why: why() },
            Ev::Held => JournalEvent::Held { why: why() },
            Ev::Resumed => JournalEvent::Resumed { reason: why(), user_id: "id".into() },
        }
    }

    fn frozen(&self, main: Id, mark: u8) -> Vec<DestinationSnapshot> {
        let spec = serde_json::Value::Null;
        let mut places = Vec::new();
        if self.shape.file {
            let marker = Some(file_marker(main));
            places.push(DestinationSnapshot {
                destination: file(),
                kind: StorageKind::File,
                fingerprint: marker,
                spec: spec.clone(),
            });
        }
        if let Some(kind) = self.shape.store {
            places.push(DestinationSnapshot {
                destination: store(),
                kind,
                fingerprint: Some(store_marker(mark)),
                spec,
            });
        }
        places
    }

    /// Before the first key: no file, no secret; a store with versions holds what a person put there.
    fn bare(&self, mark: u8) -> Vec<DestinationSnapshot> {
        let mut places = self.frozen(super::state::NONE, mark);
        for frozen in places.iter_mut().filter(|frozen| frozen.kind != StorageKind::Versioned) {
            frozen.fingerprint = None;
        }
        places
    }

    /// A store with versions knows the new version's name beforehand: here it is the key's number.
    fn staged(&self, k: Id) -> JournalEvent {
        let mut files = std::collections::BTreeMap::new();
        if self.shape.file {
            files.insert(file(), file_marker(k));
        }
        if self.shape.store == Some(StorageKind::Versioned) {
            files.insert(store(), store_marker(k));
        }
        let payloads = (self.shape.store == Some(StorageKind::Store)).then(store).into_iter().collect();
        JournalEvent::Staged {
            key: key_id(k),
            files,
            payloads,
            recipients: keytide::rotation::Recipients::new(),
        }
    }

    /// The same journal one tick later. `tries`: keep the older announcements of a creation, since a key may match.
    pub fn age(&self, journal: u32, tries: bool) -> u32 {
        memo(&self.aged, (journal, tries), || {
            let mut older = (*self.journal(journal)).clone();
            age(&mut older, tries);
            self.number(older)
        })
    }

    /// The same journal when a run is no more: the one who starts next is another.
    pub fn bury(&self, journal: u32, run: usize) -> u32 {
        memo(&self.renamed, (journal, run as u8), || {
            let mut after = (*self.journal(journal)).clone();
            if let Some(claim) = after.claim.as_mut().filter(|claim| *claim.run == *RUNS[run]) {
                claim.run = RUNS[super::state::DEAD].into();
            }
            rename(&mut after, RUNS[run]);
            self.number(after)
        })
    }

    /// The same journal without what it knows of keys that are gone and that nothing names any more.
    pub fn prune(&self, journal: u32, forgotten: u8) -> u32 {
        memo(&self.pruned, (journal, forgotten), || {
            let mut after = (*self.journal(journal)).clone();
            after.key_by_fingerprint.retain(|_, key| bit(index(key)) & forgotten == 0);
            self.number(after)
        })
    }

    /// The keys that a journal names beyond those that it merely knows.
    pub fn names(&self, journal: u32) -> u8 {
        let journal = self.journal(journal);
        let Some(rotation) = &journal.open else { return 0 };
        let named = [rotation.old.as_ref(), rotation.new_key(), rotation.retiring.as_ref()];
        named.into_iter().flatten().fold(0, |bits, key| bits | bit(index(key)))
    }

    pub fn knows(&self, journal: u32) -> u8 {
        self.journal(journal).key_by_fingerprint.values().fold(0, |bits, key| bits | bit(index(key)))
    }

    /// A store's marker that no journal has seen.
    pub fn free_mark(&self, used: impl Iterator<Item = u32>, taken: impl Fn(u8) -> bool) -> u8 {
        let journals: Vec<_> = used.map(|number| self.journal(number)).collect();
        let known = |mark: u8| {
            let marker = (store(), store_marker(mark));
            journals.iter().any(|journal| journal.key_by_fingerprint.contains_key(&marker))
        };
        (0..).find(|mark| !known(*mark) && !taken(*mark)).unwrap()
    }
}

/// Makes a time one tick older, but not older than `most` ticks: no row tells the difference.
fn older(at: &mut Timestamp, most: u8) {
    *at = (*at - TICK).max(ago(most));
}

fn age(journal: &mut Journal, tries: bool) {
    if let Some(claim) = &mut journal.claim {
        claim.until -= TICK;
    }
    age_announcements(journal, tries);
    let Some(rotation) = &mut journal.open else { return };
    for (at, most) in [
        (&mut rotation.verified, 2),
        (&mut rotation.distributed, 2),
        (&mut rotation.unneeded_since, 2),
        (&mut rotation.announced, 2),
        (&mut rotation.inactive_since, 1),
        (&mut rotation.abandoned_at, 1),
        (&mut rotation.rollback, 1),
    ] {
        if let Some(at) = at {
            older(at, most);
        }
    }
    for (_, at) in rotation.delivered.values_mut() {
        older(at, 1);
    }
}

fn age_announcements(journal: &mut Journal, tries: bool) {
    journal.unconfirmed_creations.iter_mut().for_each(|at| older(at, 1));
    if !tries {
        journal.unconfirmed_creations.clear();
    }
    // A request to IAM does not outlive a tick.
    journal.in_flight_requests.clear();
}

fn rename(journal: &mut Journal, run: &str) {
    if let Some(at) = journal.in_flight_requests.remove(run) {
        let dead = journal.in_flight_requests.entry(RUNS[super::state::DEAD].into()).or_insert(at);
        *dead = at.max(*dead);
    }
}
