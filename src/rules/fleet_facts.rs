//! Holds what the rules of a fleet look at: one account, and what the policy files of all repositories say about its users.

use crate::diagnostic::Position;

/// One account of a fleet.
#[derive(Debug, Clone, Default)]
pub struct FleetFacts {
    /// Twelve digits.
    pub account: String,
    /// Where `fleet.yml` lists the account; `None` if it does not.
    pub listed_at: Option<Position>,
    /// The repositories whose policy files name the account.
    pub repositories: Vec<String>,
    /// The users that have access keys or are listed, in the order of their names.
    pub users: Vec<FleetUser>,
    /// Why a policy file may list more users than are known, as half a sentence.
    pub unread: Option<String>,
    /// The places that several repositories write. They are those of the whole fleet: an organization's secret is of no account.
    pub contested_places: Vec<ContestedPlace>,
}

/// Values that the rotations of several repositories would write, at least two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContestedPlace {
    /// The values in words, such as "the secret `AWS_ACCESS_KEY_ID` of acme, actions".
    pub values: Vec<String>,
    /// One of each repository.
    pub writers: Vec<PlaceWriter>,
}

/// A destination of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceWriter {
    /// `OWNER/NAME`.
    pub repository: String,
    pub file: String,
    pub line: u32,
}

/// One IAM user, and the policy files that are about it.
#[derive(Debug, Clone)]
pub struct FleetUser {
    pub name: String,
    /// How many access keys the user has.
    pub keys: usize,
    /// The entries that apply to the user, at most one of each repository.
    pub listings: Vec<UserListing>,
    /// The repositories that claim the user and do not list it.
    pub claimed_by: Vec<String>,
    /// The value of the tag `keytide:owner`, if it was read.
    pub owner: Option<String>,
}

/// An entry of a policy file that applies to a user.
#[derive(Debug, Clone)]
pub struct UserListing {
    /// `OWNER/NAME`.
    pub repository: String,
    pub repository_id: Option<u64>,
    pub file: String,
    pub line: u32,
    /// Whether the entry has the user's name, and not a glob that matches it.
    pub is_by_name: bool,
}

impl FleetFacts {
    /// The place of findings about the account: its entry in `fleet.yml`.
    pub fn position(&self) -> Position {
        self.listed_at.unwrap_or(Position::START)
    }
}

impl FleetUser {
    /// The entries that claim the user for themselves. As within one policy file, a name comes before a glob.
    pub fn rival_listings(&self) -> Vec<&UserListing> {
        let named: Vec<&UserListing> = self.listings.iter().filter(|listing| listing.is_by_name).collect();
        if named.is_empty() { self.listings.iter().collect() } else { named }
    }
}
