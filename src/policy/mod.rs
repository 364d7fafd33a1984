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

use std::collections::BTreeMap;

pub use super::yaml::strict::MAX_BYTES;
pub use file::{AllowedUse, Destination, Exemption, KeyLimits, Located, ValidationWorkflow};
pub use resolve::{PolicySource, read_policy};
pub use scalar::{AccountId, CalendarDate, PolicyDuration, RoleArn, UserGlob, UserName, UserPath};
pub use shape::suggest_name;
pub use wildcard::glob_to_iam_patterns;

use crate::diagnostic::Position;

/// A policy file after all its bases are taken in: nothing is left to be looked up elsewhere.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The file, as it was named; findings point into it.
    pub file: String,
    pub account: Option<AccountId>,
    pub role_arn: Option<RoleArn>,
    pub users: Vec<UserPolicy>,
    /// For a rotation under way whose user is no longer listed.
    pub rotation: RotationPolicy,
    pub claim: Vec<Located<UserGlob>>,
    pub exemptions: Vec<Located<Exemption>>,
    /// For each rule, the controls that it serves here.
    pub controls: BTreeMap<String, Vec<String>>,
}

/// One entry of `users`, with its limits complete.
#[derive(Debug, Clone)]
pub struct UserPolicy {
    pub at: Position,
    pub selector: UserSelector,
    pub limits: KeyLimits,
    pub allow: Option<AllowedUse>,
    /// `None`: these users are audited only.
    pub rotation: Option<RotationPolicy>,
    pub destinations: Vec<Destination>,
}

/// Whom an entry speaks of.
#[derive(Debug, Clone)]
pub enum UserSelector {
    Name(UserName),
    Match { glob: UserGlob, path: Option<UserPath> },
}

/// How a user's key is rotated, complete.
#[derive(Debug, Clone)]
pub struct RotationPolicy {
    /// Never later than the day on which `key-age` begins to warn.
    pub start_at: PolicyDuration,
    pub grace: PolicyDuration,
    /// Whether the user's own entry says `grace`: then it is no less, whatever the destinations are.
    pub is_own_grace: bool,
    pub quiet: PolicyDuration,
    pub soak: PolicyDuration,
    pub describe_keys: bool,
    pub require_use: bool,
    pub validate: Option<ValidationWorkflow>,
    pub reviewers: Vec<String>,
    pub labels: Vec<String>,
}

impl Policy {
    /// The policy of a repository that has none: it speaks of nobody.
    pub fn empty() -> Self {
        Self {
            file: String::new(),
            account: None,
            role_arn: None,
            users: Vec::new(),
            rotation: RotationPolicy::default(),
            claim: Vec::new(),
            exemptions: Vec::new(),
            controls: BTreeMap::new(),
        }
    }

    /// The entry that rules over a user: a name beats a glob, an earlier glob a later one.
    ///
    /// `path` is the user's IAM path; while it is unknown, entries that ask for one do not match.
    pub fn find_user_policy(&self, name: &str, path: Option<&str>) -> Option<&UserPolicy> {
        let named = |entry: &&UserPolicy| matches!(&entry.selector, UserSelector::Name(n) if n.0 == name);
        let matched = |entry: &&UserPolicy| match &entry.selector {
            UserSelector::Match { glob, path: wanted } => {
                let at_path = |wanted: &UserPath| path.is_some_and(|path| path.starts_with(&wanted.0));
                glob.is_match(name) && wanted.as_ref().is_none_or(at_path)
            }
            UserSelector::Name(_) => false,
        };
        self.users.iter().find(named).or_else(|| self.users.iter().find(matched))
    }

    /// The globs that match none of these users (name and IAM path), each in a sentence.
    pub fn idle_globs<'u>(&self, users: impl Iterator<Item = (&'u str, Option<&'u str>)>) -> Vec<String> {
        let matched: Vec<&UserPolicy> =
            users.filter_map(|(name, path)| self.find_user_policy(name, path)).collect();
        let idle =
            self.users.iter().filter(|entry| !matched.iter().any(|other| std::ptr::eq(*other, *entry)));
        let glob = |entry: &UserPolicy| match &entry.selector {
            UserSelector::Match { glob, .. } => {
                Some(format!("`{}` matches no user of the account", glob.text))
            }
            UserSelector::Name(_) => None,
        };
        idle.filter_map(glob).collect()
    }

    /// The names that entries give, in the order of the file.
    pub fn user_names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|entry| match &entry.selector {
            UserSelector::Name(name) => Some(name.0.as_str()),
            UserSelector::Match { .. } => None,
        })
    }

    /// Whether the users of the account must be listed to know whom this policy speaks of.
    pub fn needs_listing(&self) -> bool {
        !self.claim.is_empty()
            || self.users.iter().any(|entry| matches!(entry.selector, UserSelector::Match { .. }))
    }

    /// The IAM path below which every user stands that a glob could match: `/` unless all globs share a narrower one.
    pub fn listing_path(&self) -> &str {
        let mut paths = self.users.iter().filter_map(|entry| match &entry.selector {
            UserSelector::Match { path, .. } => Some(path.as_ref().map_or("/", |path| path.0.as_str())),
            UserSelector::Name(_) => None,
        });
        match paths.next() {
            Some(first) if self.claim.is_empty() && paths.all(|path| path == first) => first,
            _ => "/",
        }
    }

    /// The first `claim` that a user name matches.
    pub fn matching_claim(&self, name: &str) -> Option<&Located<UserGlob>> {
        self.claim.iter().find(|claim| claim.value.is_match(name))
    }
}
