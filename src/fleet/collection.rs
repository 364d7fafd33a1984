//! What `keytide fleet collect` found: every repository with what became of it, and the jobs that audit the accounts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::finding::FleetFinding;
use super::part::Part;
use super::result::{SCHEMA_VERSION, Tool};
use crate::iam::ReadFault;

/// The value of `kind`, by which `fleet report` recognises the file.
pub const COLLECTION_KIND: &str = "fleet-collection";
/// The name of the file among the collected policy files.
pub const FILE_NAME: &str = "collection.json";

/// The repositories of the fleet, and the jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Collection {
    pub schema_version: u32,
    pub kind: String,
    pub tool: Tool,
    pub generated_at: Timestamp,
    /// Whether the policy files of all repositories could be read.
    pub complete: bool,
    pub repositories: Vec<CollectedRepository>,
    pub jobs: Vec<CollectedJob>,
    /// The findings about the fleet as a whole.
    pub findings: Vec<FleetFinding>,
    pub faults: Vec<ReadFault>,
}

/// One repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectedRepository {
    /// `OWNER/NAME`.
    pub name: String,
    /// The numeric ID, which GitHub never gives to another repository.
    pub id: Option<u64>,
    pub state: RepositoryState,
    /// The path of its policy file.
    pub policy: Option<String>,
    /// The account that the policy file names.
    pub account: Option<String>,
    /// What is wrong with the policy file.
    #[serde(default)]
    pub findings: Vec<FleetFinding>,
}

/// What became of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryState {
    /// Its policy file was collected.
    Collected,
    /// Its policy file has errors.
    Invalid,
    /// Its policy file could not be read.
    Unreadable,
    /// It has no policy file.
    NoPolicy,
    Archived,
    Fork,
    /// `exclude` leaves it out.
    Excluded,
}

/// One entry of the matrix: an account, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedJob {
    pub account: String,
    pub part: Part,
}

impl RepositoryState {
    /// The states of repositories that were left out, with the words for them.
    pub const LEFT_OUT: [(Self, &'static str); 4] = [
        (Self::NoPolicy, "without a policy file"),
        (Self::Archived, "archived"),
        (Self::Fork, "forked"),
        (Self::Excluded, "excluded"),
    ];
}

impl Collection {
    /// A collection without repositories.
    pub fn empty(generated_at: Timestamp) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            kind: COLLECTION_KIND.to_owned(),
            tool: Tool::this(),
            generated_at,
            complete: true,
            repositories: Vec::new(),
            jobs: Vec::new(),
            findings: Vec::new(),
            faults: Vec::new(),
        }
    }
}
