//! The traits through which a rotation calls services: [`super::live`] implements them with the real ones,
//! [`super::simulator`] with simulated ones.
//!
//! The contract of every method: it sends a request at most once, unless its documentation says that it may be repeated;
//! and its error says whether the request was not applied or whether that is unknown.
#![expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]

mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::destinations::encryption::{FreshKey, PublicKey, SealedPayload};
use crate::iam::{KeyRecord, LastUse, UserRecord};
use crate::policy::{Destination, NotifyIssue};
use crate::rotation::pull_request::PullRequestText;
use crate::rotation::{Fingerprint, Journal, JournalEntry, KeyState, PullRequest, RunState};
use crate::secret::{Credential, DataKey};

pub use error::{BackendError, BackendResult, ErrorKind};

/// The name of a commit.
pub type CommitId = Arc<str>;

/// Files by their path; `None` deletes one.
pub type FileChanges = BTreeMap<String, Option<Vec<u8>>>;

/// IAM, read. All may be repeated.
pub trait IamRead {
    /// `None`: there is no such user.
    async fn get_user(&self, name: &str) -> BackendResult<Option<UserRecord>>;
    async fn list_access_keys(&self, name: &str) -> BackendResult<Vec<KeyRecord>>;
    /// When a key of `user` was last used; `None`: never.
    async fn get_last_use(&self, user: &str, key: &str) -> BackendResult<Option<LastUse>>;
}

/// IAM, written.
pub trait IamWrite {
    /// Sent once and never repeated: the API has no token that would make a repetition harmless.
    async fn create_access_key(&self, user: &str) -> BackendResult<Credential>;
    /// May be repeated.
    async fn set_key_status(&self, user: &str, key: &str, status: KeyState) -> BackendResult<()>;
    /// May be repeated; a key that is not there is [`ErrorKind::NotFound`].
    async fn delete_access_key(&self, user: &str, key: &str) -> BackendResult<()>;
}

/// Tags on a user: what the console shows beside a key, and keytide's own.
pub trait KeyTags {
    /// Writes it, or removes it. May be repeated.
    async fn set_key_description(&self, user: &str, key: &str, text: Option<&str>) -> BackendResult<()>;
    /// Writes a tag of keytide's own on the user. May be repeated.
    async fn set_user_tag(&self, user: &str, name: &str, value: &str) -> BackendResult<()>;
}

/// STS.
pub trait CallerIdentity {
    /// The unique ID of the user that a credential belongs to.
    async fn get_caller_user_id(&self, credential: &Credential) -> BackendResult<Arc<str>>;
}

/// The journals, on git references of the repository.
pub trait JournalStore {
    /// The chain, oldest entry first; empty when there is none.
    async fn read_chain(&self, user: &str) -> BackendResult<JournalChain>;
    /// Appends with a compare-and-swap: [`ErrorKind::Conflict`] when the head is no longer `onto`. `kept` is stored with
    /// the entry.
    async fn append_entry(
        &self,
        user: &str,
        onto: Option<&str>,
        entry: &JournalEntry,
        kept: &StagedFiles,
    ) -> BackendResult<CommitId>;
    /// The staged files that are stored with an entry.
    async fn read_staged_files(&self, user: &str, commit: &str) -> BackendResult<StagedFiles>;
}

/// A journal as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalChain {
    pub entries: Vec<(CommitId, Arc<JournalEntry>)>,
    /// Its newest commit, which the next entry follows: also where that commit holds no entry.
    pub head: Option<CommitId>,
    /// Why it is not a chain of keytide's entries.
    pub fault: Option<String>,
}

impl JournalChain {
    /// The journal that the chain is. What is no chain of keytide's is a fault of the journal.
    pub fn to_journal(&self, user: &str) -> Journal {
        let entries = self.entries.iter().map(|(commit, entry)| (&**commit, &**entry));
        let mut journal = Journal::from_chain(user, entries);
        journal.head.clone_from(&self.head);
        if let Some(fault) = &self.fault {
            journal.fault.get_or_insert_with(|| fault.clone());
        }
        journal
    }
}

/// The new credential, encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagedFiles {
    /// The commit of the default branch that they were made for.
    pub base: String,
    /// Every file that the pull request changes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the stores get, by the destination's place.
    pub payloads: BTreeMap<String, Vec<SealedPayload>>,
}

/// The repository's committed files.
pub trait RepositoryContents {
    /// The head of the default branch.
    async fn read_default_head(&self) -> BackendResult<CommitId>;
    /// `None`: no such file.
    async fn read_file(&self, commit: &str, path: &str) -> BackendResult<Option<Vec<u8>>>;
    async fn list_paths(&self, commit: &str) -> BackendResult<Vec<String>>;
    /// The links and submodules: what they lead to is in no file of the commit.
    async fn list_links(&self, commit: &str) -> BackendResult<Vec<String>>;
    /// Which of the keys the files of the commit name, each with the paths of these files.
    async fn find_named_keys(
        &self,
        commit: &str,
        keys: &[&str],
    ) -> BackendResult<BTreeMap<String, BTreeSet<String>>>;
    /// Whether a commit is `head` or one before it. A name that is no commit's is not.
    async fn is_ancestor(&self, commit: &str, head: &str) -> BackendResult<bool>;
}

/// The branches of rotations.
pub trait RotationBranches {
    /// `None`: no such branch.
    async fn read_branch_tip(&self, branch: &str) -> BackendResult<Option<CommitId>>;
    /// Why a branch of this name could not be created or changed, as far as that is known before the attempt.
    /// `files` are those that its commits will change, by their paths, with their sizes.
    async fn find_branch_blocker(
        &self,
        branch: &str,
        files: &BTreeMap<String, usize>,
    ) -> BackendResult<Option<String>>;
    /// The parts of a branch's commit that show whether it is a rehearsal.
    async fn read_branch_commit(&self, commit: &str) -> BackendResult<BranchCommit>;
    /// What a merge of `tip` into `head` would bring.
    async fn compare_commits(&self, tip: &str, head: &str) -> BackendResult<CommitComparison>;
    /// A new branch at a commit that exists. [`ErrorKind::Conflict`] when the branch exists.
    async fn start_branch(&self, branch: &str, at: &str) -> BackendResult<()>;
    /// A new branch: the files of `base`, changed. [`ErrorKind::Conflict`] when the branch exists.
    async fn create_branch(
        &self,
        branch: &str,
        base: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId>;
    /// A commit on a branch: the files of its tip, changed. [`ErrorKind::Conflict`] when the tip has moved.
    async fn commit_to_branch(
        &self,
        branch: &str,
        tip: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId>;
    /// A commit on a branch that takes in `head`: its files, changed. [`ErrorKind::Conflict`] when the tip has moved.
    async fn update_branch(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId>;
    /// May be repeated; a branch that is not there is [`ErrorKind::NotFound`] or [`ErrorKind::Rejected`].
    async fn remove_branch(&self, branch: &str) -> BackendResult<()>;
}

/// A commit of a rotation's branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchCommit {
    pub message: String,
    /// It has the files of its first parent.
    pub is_empty: bool,
}

/// The difference between a branch's tip and the commit where it left another branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitComparison {
    /// The newest commit that both have in common.
    pub merge_base: CommitId,
    /// The files that were added, changed, removed or renamed; `None` when there are more than could be listed.
    pub paths: Option<BTreeSet<String>>,
}

/// Pull requests.
pub trait PullRequests {
    /// Whether this run may open pull requests: [`ErrorKind::Rejected`] when it may not. Changes nothing.
    async fn ensure_may_open(&self) -> BackendResult<()>;
    /// The newest pull request from a branch.
    async fn find_pull_request(&self, branch: &str) -> BackendResult<Option<PullRequest>>;
    /// Opens one, or returns the one that is open already.
    async fn open_pull_request(&self, branch: &str, text: &PullRequestText) -> BackendResult<u64>;
    async fn close_pull_request(&self, number: u64) -> BackendResult<()>;
    /// Adds a comment, which GitHub sends to its reviewers. The rotation does not depend on it, so a failure is only a
    /// remark.
    async fn comment_on_pull_request(&self, number: u64, text: &str);
    /// The open pull requests to the default branch that were updated since a time, without those from `own` branches.
    /// They are listed once in a run, and compared with `head`, the head of the default branch.
    async fn list_foreign_changes(
        &self,
        own: &[String],
        since: Timestamp,
        head: &str,
    ) -> BackendResult<Vec<ForeignChange>>;
    /// Whether a person may write to the repository. What GitHub does not show counts as yes.
    async fn may_write(&self, person: &str) -> BackendResult<bool>;
}

/// What a pull request would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChange {
    pub number: u64,
    /// The author, if GitHub does not say whether it is a member: one whose membership is private is a "contributor".
    pub unclear_author: Option<Arc<str>>,
    /// The commit that it starts from, and its last one.
    pub base: CommitId,
    pub tip: CommitId,
    /// The files; `None` when there are more than could be listed.
    pub paths: Option<BTreeSet<String>>,
}

/// Stores that are not files.
pub trait SecretStore {
    /// The version, or the time of the last change; `None` when there is nothing.
    async fn read_fingerprint(&self, destination: &Destination) -> BackendResult<Option<Fingerprint>>;
    /// Fails where a store that was read as empty may only be hidden.
    async fn confirm_absence(&self, destination: &Destination) -> BackendResult<()>;
    /// May be repeated.
    async fn write_secret(
        &self,
        destination: &Destination,
        parcel: &StoreDelivery<'_>,
    ) -> BackendResult<Fingerprint>;
    /// Restores the credential that it once held under this marker. May be repeated.
    async fn restore_secret(&self, destination: &Destination, marker: Option<&str>) -> BackendResult<()>;
}

/// What a store receives.
#[derive(Debug, Clone, Copy)]
pub struct StoreDelivery<'a> {
    pub payloads: &'a [SealedPayload],
    /// For a store that has the credential already, as a version that is not current yet: the marker of that version.
    pub version: Option<&'a str>,
}

/// Stores that take the credential itself and keep it as a version that is not current yet.
pub trait StagedSecretStore {
    /// Whether the store would accept a credential in place of the old one, as far as reading shows; else
    /// [`ErrorKind::Rejected`].
    async fn check_writable(&self, destination: &Destination, old: Option<&str>) -> BackendResult<()>;
    /// Sends what [`StagedSecretStore::stage_secret`] sends, and changes nothing. May be repeated.
    async fn dry_run_write(&self, destination: &Destination) -> BackendResult<()>;
    /// May be repeated: the version's name follows from the key.
    async fn stage_secret(
        &self,
        destination: &Destination,
        credential: &Credential,
    ) -> BackendResult<Fingerprint>;
}

/// The keys that encryption needs.
pub trait KeyProvider {
    /// The public key with which a store lets credentials be encrypted.
    async fn get_public_key(&self, destination: &Destination) -> BackendResult<PublicKey>;
    /// The data key of a SOPS file, `None` when this run has no key that opens it.
    async fn unwrap_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<DataKey>>;
    /// A new data key for a SOPS file, wrapped by those of its recipients that are a service; `None` when none is.
    async fn wrap_new_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<FreshKey>>;
}

/// Workflows of the repository.
pub trait WorkflowRuns {
    /// When the last successful run of a workflow on the default branch was requested.
    async fn last_success(&self, workflow: &str) -> BackendResult<Option<Timestamp>>;
    /// When the first of its runs on the default branch ended that was requested at a time or later and succeeded.
    async fn find_success_since(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<Timestamp>>;
    /// Why GitHub would not start a workflow, as far as its state shows.
    async fn find_workflow_blocker(&self, workflow: &str) -> BackendResult<Option<String>>;
    /// Whether this run may start a workflow: an error when it may not. Starts nothing.
    async fn ensure_may_dispatch(&self, workflow: &str) -> BackendResult<()>;
    /// Starts a workflow on the default branch, and returns the number of its run; `None` where GitHub does not give it.
    /// Sent once and never repeated. What GitHub refuses is [`ErrorKind::NotApplied`]: a permission or the file may change.
    async fn dispatch_workflow(&self, workflow: &str) -> BackendResult<Option<u64>>;
    /// The first run of a workflow on the default branch that was started by a dispatch at a time or later.
    async fn find_dispatched_run(&self, workflow: &str, since: Timestamp) -> BackendResult<Option<u64>>;
    /// How far a run is. [`RunState::Missing`] unless it is one of this workflow that was dispatched on the default branch
    /// at a time or later.
    async fn read_dispatched_run(
        &self,
        workflow: &str,
        run: u64,
        since: Timestamp,
    ) -> BackendResult<RunState>;
}

/// Time.
pub trait Clock {
    /// The servers' time.
    fn now(&self) -> Timestamp;
    async fn sleep(&self, time: SignedDuration);
}

/// All of it.
pub trait Backend:
    IamRead
    + IamWrite
    + KeyTags
    + CallerIdentity
    + JournalStore
    + RepositoryContents
    + RotationBranches
    + PullRequests
    + SecretStore
    + StagedSecretStore
    + KeyProvider
    + WorkflowRuns
    + Clock
{
}

impl<T> Backend for T where
    T: IamRead
        + IamWrite
        + KeyTags
        + CallerIdentity
        + JournalStore
        + RepositoryContents
        + RotationBranches
        + PullRequests
        + SecretStore
        + StagedSecretStore
        + KeyProvider
        + WorkflowRuns
        + Clock
{
}

/// The issues of the repository.
pub trait IssueTracker {
    /// The issues whose body `is_wanted`, open or closed, if their author is the run's own account or GitHub Actions:
    /// anyone can open an issue with any text.
    async fn find_issues(&self, is_wanted: &dyn Fn(&str) -> bool) -> BackendResult<Vec<TrackedIssue>>;
    async fn read_issue(&self, number: u64) -> BackendResult<TrackedIssue>;
    /// Sent once and never repeated.
    async fn create_issue(&self, title: &str, body: &str) -> BackendResult<TrackedIssue>;
    /// Adds labels and assignees. Neither is needed, so a failure is only a remark.
    async fn add_labels_and_assignees(&self, number: u64, settings: &NotifyIssue);
    /// Sent once and never repeated.
    async fn add_comment(&self, number: u64, text: &str) -> BackendResult<()>;
    /// May be repeated, as the next two.
    async fn edit_issue(&self, number: u64, body: &str) -> BackendResult<()>;
    async fn reopen_issue(&self, number: u64, body: &str) -> BackendResult<()>;
    async fn close_issue(&self, number: u64, body: &str, end: IssueEnd) -> BackendResult<()>;
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedIssue {
    pub number: u64,
    /// Its page.
    pub url: String,
    pub body: String,
    pub is_open: bool,
    /// Its author is GitHub Actions.
    pub is_by_actions: bool,
}

/// Why an issue is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueEnd {
    Completed,
    Duplicate,
}
