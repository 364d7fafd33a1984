//! What a rotation needs of the outside: small traits, implemented by the real services and by [`super::simulator`].
//!
//! The contract of every method: it sends one request at most once, unless its documentation says that it may be
//! repeated; it tells apart what did not happen from what nobody knows.
#![expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::destinations::encryption::{FreshKey, Payload, PublicKey};
use crate::policy::Destination;
use crate::policy::file::GithubSecret;
use crate::rotation::pull_request::PullText;
use crate::rotation::{Entry, KeyId, Marker, Proposal, Status, Use};
use crate::secret::{Credential, DataKey};

pub type Answer<T> = Result<T, Failure>;

/// The name of a commit.
pub type Commit = Arc<str>;

/// Files by their path; `None` deletes one.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// Why a request has no answer that helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub outcome: Outcome,
    /// What happened, in half a sentence; it may quote the other side.
    pub what: String,
}

/// What is known of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did nothing; another time it may.
    NotDone,
    /// It did nothing, and asking again will not help.
    Refused,
    /// It did nothing, since somebody else was faster.
    Conflict,
    /// It did nothing, since what it is about is not there.
    Missing,
    /// It did something or it did not, or it will.
    Unknown,
}

impl Failure {
    pub fn new(outcome: Outcome, what: impl Into<String>) -> Self {
        Self { outcome, what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// An IAM user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The unique ID, which a user that is created anew under the same name does not have.
    pub id: Arc<str>,
    pub arn: String,
    pub tags: BTreeMap<String, String>,
}

/// A key as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: KeyId,
    pub status: Status,
    pub created: Timestamp,
}

/// IAM, read. All may be repeated.
pub trait Users {
    /// `None`: there is no such user.
    async fn user(&self, name: &str) -> Answer<Option<User>>;
    async fn keys(&self, name: &str) -> Answer<Vec<Listed>>;
    /// `None`: never used.
    async fn last_used(&self, key: &str) -> Answer<Option<Use>>;
}

/// IAM, written.
pub trait Keys {
    /// Sent once, and never repeated: AWS knows no token that would make a repetition harmless.
    async fn create_key(&self, user: &str) -> Answer<Credential>;
    /// May be repeated.
    async fn set(&self, user: &str, key: &str, status: Status) -> Answer<()>;
    /// May be repeated; a key that is not there is [`Outcome::Missing`].
    async fn delete(&self, user: &str, key: &str) -> Answer<()>;
}

/// What the console shows beside a key.
pub trait Descriptions {
    /// Writes it, or removes it. May be repeated.
    async fn describe(&self, user: &str, key: &str, text: Option<&str>) -> Answer<()>;
}

/// STS.
pub trait Callers {
    /// The unique ID of the user that AWS takes the bearer of a credential for.
    async fn caller(&self, credential: &Credential) -> Answer<Arc<str>>;
}

/// The journals, on git references of the repository.
pub trait Journals {
    /// The chain, oldest entry first; empty when there is none.
    async fn chain(&self, user: &str) -> Answer<Chain>;
    /// Appends with a compare-and-swap: [`Outcome::Conflict`] when the head is no longer `onto`. `kept` lies beside
    /// the entry.
    async fn append(&self, user: &str, onto: Option<&str>, entry: &Entry, kept: &Kept) -> Answer<Commit>;
    /// What lies beside an entry.
    async fn kept(&self, user: &str, commit: &str) -> Answer<Kept>;
}

/// A journal as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    pub entries: Vec<(Commit, Arc<Entry>)>,
    /// Why it is no chain of keytide's entries.
    pub fault: Option<String>,
}

/// The new credential, encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The commit of the default branch that they were made for.
    pub base: String,
    /// Every file that the pull request changes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the stores get, by the destination's place.
    pub payloads: BTreeMap<String, Vec<Payload>>,
}

/// The repository's files, as they were committed.
pub trait Tree {
    /// The head of the default branch.
    async fn head(&self) -> Answer<Commit>;
    /// `None`: no such file.
    async fn file(&self, commit: &str, path: &str) -> Answer<Option<Vec<u8>>>;
    async fn paths(&self, commit: &str) -> Answer<Vec<String>>;
}

/// Branches of keytide's own.
pub trait Branches {
    /// `None`: no such branch.
    async fn tip(&self, branch: &str) -> Answer<Option<Commit>>;
    /// Why a branch of this name could not be made or written to, as far as that can be told before.
    async fn obstacle(&self, branch: &str) -> Answer<Option<String>>;
    /// A new branch: the files of `base`, changed. [`Outcome::Conflict`] when the branch exists.
    async fn create(&self, branch: &str, base: &str, files: &Files, message: &str) -> Answer<Commit>;
    /// A commit on a branch that takes in `head`: its files, changed. [`Outcome::Conflict`] when the tip has moved.
    async fn update(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &Files,
        message: &str,
    ) -> Answer<Commit>;
}

/// Pull requests.
pub trait Pulls {
    /// Whether this run may open pull requests: [`Outcome::Refused`] when it may not. Changes nothing.
    async fn may_open(&self) -> Answer<()>;
    /// The newest pull request from a branch.
    async fn find(&self, branch: &str) -> Answer<Option<Proposal>>;
    /// Opens one, or tells which is open already.
    async fn open(&self, branch: &str, text: &PullText) -> Answer<u64>;
    async fn close(&self, number: u64) -> Answer<()>;
    /// The open pull requests onto the default branch that something was done to since then, but those from `own`
    /// branches.
    async fn others(&self, own: &[String], since: Timestamp) -> Answer<Vec<Change>>;
}

/// What a pull request would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub number: u64,
    /// The commit that it goes out from, and its last one.
    pub base: Commit,
    pub tip: Commit,
    /// The files; `None` when there are more than could be listed.
    pub paths: Option<BTreeSet<String>>,
}

/// Stores that are not files.
pub trait Stores {
    /// The version, or the time of the last change; `None` when there is nothing.
    async fn marker(&self, destination: &Destination) -> Answer<Option<Marker>>;
    /// May be repeated.
    async fn deliver(&self, destination: &Destination, parcel: &Parcel<'_>) -> Answer<Marker>;
    /// Gives back the credential that it once held under this marker. May be repeated.
    async fn back(&self, destination: &Destination, marker: Option<&str>) -> Answer<()>;
}

/// What a store is given.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    pub payloads: &'a [Payload],
    /// For a store that has the credential already, as a version that nobody reads yet: the marker of that.
    pub version: Option<&'a str>,
}

/// Stores that take the credential itself and keep it as a version that nobody reads yet.
pub trait Pending {
    /// Whether the store would take a credential in the place of the old one, as far as a look tells; else
    /// [`Outcome::Refused`].
    async fn fits(&self, destination: &Destination, old: Option<&str>) -> Answer<()>;
    /// Sends what [`Pending::pend`] sends, and changes nothing. May be repeated.
    async fn rehearse(&self, destination: &Destination) -> Answer<()>;
    /// May be repeated: the version's name follows from the key.
    async fn pend(&self, destination: &Destination, credential: &Credential) -> Answer<Marker>;
}

/// What sealing needs beside the files.
pub trait SealingKeys {
    async fn public_key(&self, secret: &GithubSecret) -> Answer<PublicKey>;
    /// The data key of a SOPS file, `None` when this run has no key that opens it.
    async fn data_key(&self, path: &str, file: &[u8]) -> Answer<Option<DataKey>>;
    /// A new data key for a SOPS file, wrapped by those of its recipients that are a service; `None` when none is.
    async fn fresh_key(&self, path: &str, file: &[u8]) -> Answer<Option<FreshKey>>;
}

/// Workflows of the repository.
pub trait Workflows {
    /// When a workflow last succeeded on the default branch.
    async fn succeeded(&self, workflow: &str) -> Answer<Option<Timestamp>>;
}

/// Time.
pub trait Clock {
    /// The servers' time.
    fn now(&self) -> Timestamp;
    async fn sleep(&self, time: SignedDuration);
}

/// All of it.
pub trait Outside:
    Users
    + Keys
    + Descriptions
    + Callers
    + Journals
    + Tree
    + Branches
    + Pulls
    + Stores
    + Pending
    + SealingKeys
    + Workflows
    + Clock
{
}

impl<T> Outside for T where
    T: Users
        + Keys
        + Descriptions
        + Callers
        + Journals
        + Tree
        + Branches
        + Pulls
        + Stores
        + Pending
        + SealingKeys
        + Workflows
        + Clock
{
}
