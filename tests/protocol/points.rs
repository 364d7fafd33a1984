//! The coordinates of the enumeration, and one point of them.

use std::sync::Arc;

use crate::story::{NEW, OLD, Story, THIRD};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Gone,
    Active,
    Inactive,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseAge {
    Never,
    /// An hour ago, by an application.
    Recent,
    /// A month ago.
    Quiet,
    /// When keytide proved it.
    Own,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Old,
    New,
    Nothing,
    Foreign,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    None,
    Open,
    Conflict,
    Closed,
    Merged,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mentions {
    Nothing,
    Old,
    New,
    Third,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Three {
    Yes,
    No,
    /// Known, and neither.
    Nothing,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    Ours,
    /// Ours, for a few minutes more.
    Short,
    NoOne,
    Other,
    /// Another run's, and over.
    Past,
}

/// What came of the workflow of `redeploy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    NotAsked,
    NotStarted,
    /// Announced, and the run that did so has ended.
    Announced,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPoint {
    pub life: Life,
    pub used: UseAge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    pub life: Life,
    pub used: UseAge,
    /// Minutes after the announcement of a creation, as the story has it; `None`: a day before.
    pub after: Option<i64>,
    /// Whether the story has an announcement that no kept key answers, and whether it is hours old.
    pub tried: Option<bool>,
}

impl Orphan {
    /// Made within minutes of an announcement, and long enough ago that a use would be known.
    pub fn is_ours(self) -> bool {
        self.after.is_some() && self.tried == Some(true)
    }
}

/// One point of the abstraction.
#[derive(Debug, Clone)]
pub struct Point {
    pub story: Arc<Story>,
    pub old: KeyPoint,
    pub new: KeyPoint,
    pub orphan: Orphan,
    /// The first list of keys is the last one, has the old key only, has all three.
    pub listed: Three,
    pub file: Option<Holds>,
    pub store: Option<Holds>,
    pub neutral: bool,
    pub revert: Pull,
    pub proposal: Pull,
    pub mentions: Mentions,
    pub owner: Three,
    pub stopped: Three,
    pub claim: Claimed,
    pub user: Three,
    pub preflight: Three,
    pub compromised: bool,
    /// Whether the workflow of `validate` has succeeded lately, if it must.
    pub validated: Option<bool>,
    pub deployment: Deployment,
}

impl Point {
    pub fn life(&self, key: &str) -> Life {
        match key {
            OLD => self.old.life,
            NEW => self.new.life,
            _ => self.orphan.life,
        }
    }

    pub fn uses(&self, key: &str) -> UseAge {
        match key {
            OLD => self.old.used,
            NEW => self.new.used,
            _ => self.orphan.used,
        }
    }

    pub fn places(&self) -> impl Iterator<Item = Holds> {
        [self.file, self.store].into_iter().flatten()
    }

    pub fn names(&self, key: &str) -> bool {
        let (holds, mentions) = match key {
            OLD => (Some(Holds::Old), Mentions::Old),
            NEW => (Some(Holds::New), Mentions::New),
            _ => (None, Mentions::Third),
        };
        self.mentions == mentions || self.places().any(|place| Some(place) == holds)
    }

    /// Whether some destination cannot be read, or holds what keytide did not put there.
    pub fn unclear(&self) -> bool {
        self.places().any(|place| matches!(place, Holds::Unknown | Holds::Foreign))
    }

    pub fn everywhere(&self, holds: Holds) -> bool {
        self.places().all(|place| place == holds)
    }

    pub fn is_only(&self, key: &str) -> bool {
        [OLD, NEW, THIRD].into_iter().all(|other| other == key || self.life(other) == Life::Gone)
    }
}
