//! What the repository promises: the users it owns, the limits their keys keep, what is exempt and until when.
//!
//! Bytes in, trusted types or every complaint at once out. Knows no clock, no file system and no AWS.

pub mod check;
pub mod file;
pub mod presets;
mod resolve;
pub mod scalar;
pub mod schema;
mod shape;
mod wildcard;
pub mod yaml;

use std::collections::BTreeMap;

pub use file::{Allow, Destination, Exemption, Limits, Located, Validate};
pub use resolve::{Source, read};
pub use scalar::{AccountId, Date, Duration, RoleArn, UserGlob, UserName, UserPath};
pub use shape::suggest;
pub use wildcard::wildcards;
pub use yaml::MAX_BYTES;

use crate::diagnostic::Position;

/// A policy file after all its bases are taken in: nothing is left to be looked up elsewhere.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The file, as it was named; findings point into it.
    pub file: String,
    pub account: Option<AccountId>,
    pub role_arn: Option<RoleArn>,
    pub users: Vec<Entry>,
    /// For a rotation under way whose user is no longer listed.
    pub rotation: Rotation,
    pub claim: Vec<Located<UserGlob>>,
    pub exemptions: Vec<Located<Exemption>>,
    /// For each rule, the controls that it serves here.
    pub controls: BTreeMap<String, Vec<String>>,
}

/// One entry of `users`, with its limits complete.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: Position,
    pub who: Who,
    pub limits: Limits,
    pub allow: Option<Allow>,
    /// `None`: these users are audited only.
    pub rotation: Option<Rotation>,
    pub destinations: Vec<Destination>,
}

/// Whom an entry speaks of.
#[derive(Debug, Clone)]
pub enum Who {
    Name(UserName),
    Match { glob: UserGlob, path: Option<UserPath> },
}

/// How a user's key is rotated, complete.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Never later than the day on which `key-age` begins to warn.
    pub start_at: Duration,
    pub grace: Duration,
    /// Whether the user's own entry says `grace`: then it is no less, whatever the destinations are.
    pub is_own_grace: bool,
    pub quiet: Duration,
    pub soak: Duration,
    pub describe_keys: bool,
    pub require_use: bool,
    pub validate: Option<Validate>,
    pub reviewers: Vec<String>,
    pub labels: Vec<String>,
}

impl Policy {
    /// The policy of a repository that has none: it speaks of nobody.
    pub fn none() -> Self {
        Self {
            file: String::new(),
            account: None,
            role_arn: None,
            users: Vec::new(),
            rotation: Rotation::default(),
            claim: Vec::new(),
            exemptions: Vec::new(),
            controls: BTreeMap::new(),
        }
    }

    /// The entry that rules over a user: a name beats a glob, an earlier glob a later one.
    ///
    /// `path` is the user's IAM path; while it is unknown, entries that ask for one do not match.
    pub fn entry(&self, name: &str, path: Option<&str>) -> Option<&Entry> {
        let named = |entry: &&Entry| matches!(&entry.who, Who::Name(n) if n.0 == name);
        let matched = |entry: &&Entry| match &entry.who {
            Who::Match { glob, path: wanted } => {
                let at_path = |wanted: &UserPath| path.is_some_and(|path| path.starts_with(&wanted.0));
                glob.matches(name) && wanted.as_ref().is_none_or(at_path)
            }
            Who::Name(_) => false,
        };
        self.users.iter().find(named).or_else(|| self.users.iter().find(matched))
    }

    /// The globs that match none of these users (name and IAM path), each in a sentence.
    pub fn idle_globs<'u>(&self, users: impl Iterator<Item = (&'u str, Option<&'u str>)>) -> Vec<String> {
        let matched: Vec<&Entry> = users.filter_map(|(name, path)| self.entry(name, path)).collect();
        let idle =
            self.users.iter().filter(|entry| !matched.iter().any(|other| std::ptr::eq(*other, *entry)));
        let glob = |entry: &Entry| match &entry.who {
            Who::Match { glob, .. } => Some(format!("`{}` matches no user of the account", glob.text)),
            Who::Name(_) => None,
        };
        idle.filter_map(glob).collect()
    }

    /// The names that entries give, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|entry| match &entry.who {
            Who::Name(name) => Some(name.0.as_str()),
            Who::Match { .. } => None,
        })
    }

    /// Whether the users of the account must be listed to know whom this policy speaks of.
    pub fn needs_listing(&self) -> bool {
        !self.claim.is_empty() || self.users.iter().any(|entry| matches!(entry.who, Who::Match { .. }))
    }

    /// The IAM path below which every user stands that a glob could match: `/` unless all globs share a narrower one.
    pub fn listing_path(&self) -> &str {
        let mut paths = self.users.iter().filter_map(|entry| match &entry.who {
            Who::Match { path, .. } => Some(path.as_ref().map_or("/", |path| path.0.as_str())),
            Who::Name(_) => None,
        });
        match paths.next() {
            Some(first) if self.claim.is_empty() && paths.all(|path| path == first) => first,
            _ => "/",
        }
    }

    /// The first `claim` that a user name matches.
    pub fn claimed(&self, name: &str) -> Option<&Located<UserGlob>> {
        self.claim.iter().find(|claim| claim.value.matches(name))
    }
}
