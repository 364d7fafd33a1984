//! The state of the model: small, flat, and canonical, so that millions of them fit into memory.
//!
//! A journal is a number that stands for a production [`keytide::rotation::Journal`] (see `tables`). A key is an index.
//! A commit is not named: an append or a commit in the air is fresh while its head is still the head, and stale for
//! ever once it is not.

use keytide::rotation::RedeployCause;

/// How many keys can be spoken of at once.
pub const KEYS: usize = 6;
/// A key.
pub type Id = u8;
/// No key.
pub const NONE: Id = 255;
/// The key that CreateAccessKey returned to this run.
pub const NEW: Id = 254;
/// The run whose requests no one waits for any more.
pub const DEAD: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Life {
    #[default]
    Gone,
    Active,
    Inactive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Used {
    pub age: u8,
    /// By keytide's own question to STS.
    pub own: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub life: Life,
    /// In ticks: 0 now, 1 older, 9 old enough to be rotated.
    pub age: u8,
    /// An older key that was made within minutes of a `create` that stands unresolved in the journal.
    pub tried: bool,
    /// The use that IAM tells of.
    pub seen: Option<Used>,
    /// A use of this tick, which IAM does not tell of yet.
    pub hidden: Option<bool>,
    /// For how many ticks it has been inactive.
    pub idle: u8,
    /// It was published once.
    pub public: bool,
    /// A person made it.
    pub foreign: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tip {
    #[default]
    Absent,
    /// Made before the key; nothing is on it.
    Rehearsed,
    Staged,
    Neutral,
}

impl Tip {
    pub fn of(staged: bool) -> Self {
        if staged { Self::Staged } else { Self::Neutral }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pr {
    #[default]
    None,
    Open {
        conflict: bool,
    },
    Closed,
    Merged {
        age: u8,
    },
}

impl Pr {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// The run of the workflow since its start was announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deploy {
    #[default]
    None,
    Running,
    Failed,
    Done,
}

/// An entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ev {
    Claim,
    Release,
    Touch,
    Begin { key: Id, main: Id, mark: u8 },
    BeginFirst { mark: u8 },
    Completed,
    Retire(Id),
    Needed(Id),
    Create,
    Staged(Id),
    Verified,
    Proposed,
    Delivered(u8),
    Distributed,
    Redeploying(RedeployCause),
    Redeployed(RedeployCause),
    Retiring(Id),
    Deactivate(Id),
    InactiveSince(Id),
    Activate(Id),
    Delete(Id),
    Deleted(Id),
    Discard(Id),
    Tombstone(Id),
    Rollback,
    Held,
    Resumed,
}

/// A request that changes something, or whose answer may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Req {
    Append {
        ev: Ev,
        fresh: bool,
        age: u8,
    },
    Create,
    Activate(Id),
    Deactivate(Id),
    Delete(Id),
    /// Makes the branch before the key, or commits to it: with nothing in it.
    Rehearse,
    /// Reads the branch's tip, on which the next commit builds.
    Tip,
    MakeBranch {
        staged: bool,
    },
    Commit {
        staged: bool,
        fresh: bool,
    },
    Open,
    Close,
    MakeBack,
    OpenBack,
    /// To the store. One that has versions takes it only in place of the version that was read.
    Put {
        key: Id,
        over: Id,
    },
    /// Reads the runs of the workflow.
    FindRun,
    Dispatch,
    /// The store's former version again, in place of the one that was read.
    PutBack {
        over: Id,
        old: Id,
    },
}

impl Req {
    pub fn append(ev: Ev) -> Self {
        Self::Append { ev, fresh: true, age: 0 }
    }

    /// Requests to IAM and to a store die within minutes; git's may be late for hours.
    pub fn dies(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Activate(_)
                | Self::Deactivate(_)
                | Self::Delete(_)
                | Self::Put { .. }
                | Self::PutBack { .. }
                | Self::Dispatch
        )
    }

    /// The keys that it names.
    pub fn keys(self) -> u8 {
        match self {
            Self::Activate(k) | Self::Deactivate(k) | Self::Delete(k) => bit(k),
            Self::Put { key, over } => bit(key) | bit(over),
            Self::PutBack { over, old } => bit(over) | bit(old),
            Self::Append { ev, .. } => ev.keys(),
            _ => 0,
        }
    }
}

impl Ev {
    pub fn keys(self) -> u8 {
        match self {
            Self::Begin { key, main, .. } => bit(key) | bit(main),
            Self::Retire(k)
            | Self::Needed(k)
            | Self::Staged(k)
            | Self::Retiring(k)
            | Self::Deactivate(k)
            | Self::InactiveSince(k)
            | Self::Activate(k)
            | Self::Delete(k)
            | Self::Deleted(k)
            | Self::Discard(k)
            | Self::Tombstone(k) => bit(k),
            _ => 0,
        }
    }
}

pub fn bit(key: Id) -> u8 {
    if (key as usize) < KEYS { 1 << key } else { 0 }
}

/// What a person started the run for, and whether it has changed a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Me {
    pub rollback: bool,
    pub start: bool,
    pub changed: bool,
}

/// What the second read found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Git {
    pub journal: u32,
    /// The journal has not moved since.
    pub fresh: bool,
    pub tip: Tip,
    pub pr: Pr,
    pub back: Pr,
    pub deploy: Deploy,
}

/// What the third read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Places {
    pub main: Id,
    pub store: Id,
    pub mark: u8,
    pub brings_back: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self { main: NONE, store: NONE, mark: 0, brings_back: false }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Run {
    #[default]
    Idle,
    /// Between two rounds.
    Next(Me),
    Listed(Me, u8),
    Read(Me, u8, Git),
    /// Of a protocol that reads in another order.
    ReadPlaces(Me, u8, Places),
    Looked(Me, u8, Git, Places),
    Wait {
        me: Me,
        fresh: bool,
        req: Req,
        /// What follows, the next one last.
        todo: Vec<Req>,
        /// The key that this run made.
        key: Id,
    },
}

/// How often people and the network may still do what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub faults: u8,
    pub closes: u8,
    pub reverts: u8,
    pub rollbacks: u8,
    pub conflicts: u8,
    pub foreign: u8,
    pub starts: u8,
    pub blind: u8,
    pub resumes: u8,
    /// How often a run of the workflow may fail.
    pub failures: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub keys: [Key; KEYS],
    pub journal: u32,
    /// The key in the file on the default branch, and the one before.
    pub main: Id,
    pub prev: Id,
    pub tip: Tip,
    pub pr: Pr,
    pub back_branch: bool,
    pub back: Pr,
    pub store: Id,
    pub mark: u8,
    pub deploy: Deploy,
    pub apps: [Id; 2],
    pub runs: [Run; 2],
    /// Requests that no one waits for, and that may still be applied.
    pub net: Vec<Req>,
    pub left: Budget,
    /// Keys that a person referred to while they were on their way out.
    pub amnesty: u8,
    /// What has gone wrong for good.
    pub bad: u8,
    /// A person changed the default branch by hand.
    pub meddled: bool,
}

/// What [`State::bad`] remembers.
pub mod bad {
    pub const I2: u8 = 1;
    pub const I4: u8 = 2;
    pub const I7: u8 = 4;
    pub const I8: u8 = 8;
    pub const I13: u8 = 16;
    /// A branch was filled again after it was taken back.
    pub const REFILLED: u8 = 32;
    /// A workflow was started a second time for one announcement.
    pub const TWICE: u8 = 64;
}

impl State {
    pub fn key(&self, id: Id) -> Key {
        self.keys.get(id as usize).copied().unwrap_or_default()
    }

    pub fn living(&self) -> impl Iterator<Item = Id> {
        (0..KEYS as u8).filter(|id| self.key(*id).life != Life::Gone)
    }

    pub fn listed(&self) -> u8 {
        self.living().map(bit).sum()
    }

    /// Every request that may still be applied.
    pub fn air(&self) -> impl Iterator<Item = Req> {
        let live = self.runs.iter().filter_map(|run| match run {
            Run::Wait { req, .. } => Some(*req),
            _ => None,
        });
        self.net.iter().copied().chain(live)
    }
}
