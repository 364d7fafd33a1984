//! [`SimBackend`] gives one run access to the simulation: every request takes time, and each can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::executor::YieldOnce;
use super::faults::{FaultPoint, SimFault};
use super::simulation::{DelayedEffect, Simulation};
use super::state::SimState;
use crate::destinations::encryption::{FreshKey, PublicKey};
use crate::destinations::store::not_a_store;
use crate::iam::{KeyRecord, LastUse, UserRecord};
use crate::policy::Destination;
use crate::ports::*;
use crate::rotation::pull_request::PullRequestText;
use crate::rotation::{JournalEntry, KeyState, PullRequest, PullRequestState};
use crate::secret::{Credential, DataKey};

/// How long a request takes.
const MOMENT: SignedDuration = SignedDuration::from_millis(150);

/// One run's access to the simulation.
#[derive(Clone, Copy)]
pub struct SimBackend<'w> {
    pub(super) world: &'w Simulation,
    pub(super) run: usize,
}

impl Simulation {
    /// The backend for one run.
    pub fn backend_for_run(&self, run: usize) -> SimBackend<'_> {
        SimBackend { world: self, run }
    }
}

impl SimBackend<'_> {
    /// A request that changes nothing.
    pub(crate) async fn serve_read<T>(
        &self,
        name: &'static str,
        answer: impl Fn(&SimState) -> BackendResult<T>,
    ) -> BackendResult<T> {
        match self.begin_request(name, false).await {
            None => self.world.with_state(|state| answer(&state.body)),
            Some(SimFault::Stale) => self.world.with_state(|state| match state.stale_state() {
                Some(past) => answer(&past),
                None => answer(&state.body),
            }),
            Some(fault) => self.fail_request(fault, || ()).await,
        }
    }

    /// A request that changes something.
    pub(crate) async fn serve_write<T: 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut SimState) -> BackendResult<T> + 'static,
    ) -> BackendResult<T> {
        match self.begin_request(name, true).await {
            None | Some(SimFault::Stale) => self.world.with_state(|state| state.apply_change(effect)),
            // The sender has given up by then, so the result is lost, as with the real services.
            Some(SimFault::Late(wait)) => {
                self.world.with_state(|state| {
                    let due = state.body.now + wait;
                    state.late.push(DelayedEffect { due, effect: Box::new(move |body| drop(effect(body))) });
                });
                Err(BackendError::new(ErrorKind::Indeterminate, "no answer in time"))
            }
            Some(fault) => {
                self.fail_request(fault, || drop(self.world.with_state(|state| state.apply_change(effect))))
                    .await
            }
        }
    }

    /// Lets the time of a request pass, and draws its fault.
    async fn begin_request(&self, name: &'static str, writes: bool) -> Option<SimFault> {
        // Before the request, so that the requests of concurrent runs can come in any order.
        YieldOnce::new().await;
        self.world.with_state(|state| {
            let until = state.body.now + MOMENT;
            state.advance_to(until);
            let number = state.calls.len();
            let fault = state.faults.next_fault(number, &mut state.rng);
            state.calls.push(FaultPoint { run: self.run, name, writes, fault });
            // The other writer is not keytide, so the request itself goes on without a fault.
            if fault == Some(SimFault::Overtaken) {
                state.write_beside();
                return None;
            }
            if fault == Some(SimFault::Reverted) {
                state.revert_secrets();
                return None;
            }
            fault
        })
    }

    async fn fail_request<T>(&self, fault: SimFault, apply: impl FnOnce()) -> BackendResult<T> {
        if matches!(fault, SimFault::CrashAfter | SimFault::LostReply | SimFault::FailedApplied) {
            apply();
        }
        let (kind, message) = match fault {
            SimFault::CrashBefore | SimFault::CrashAfter => return self.crash_run().await,
            SimFault::LostReply => (ErrorKind::Indeterminate, "the connection was reset"),
            SimFault::FailedApplied => (ErrorKind::Indeterminate, "the server answered 502"),
            SimFault::Late(_) | SimFault::FailedNotApplied => {
                (ErrorKind::Indeterminate, "the server answered 500")
            }
            SimFault::Throttled | SimFault::Stale | SimFault::Overtaken | SimFault::Reverted => {
                (ErrorKind::NotApplied, "the rate limit is reached")
            }
        };
        Err(BackendError::new(kind, message))
    }

    /// Ends the run: the executor does not poll it again.
    async fn crash_run<T>(&self) -> BackendResult<T> {
        self.world.with_state(|state| state.crashed.push(self.run));
        // Not an error: code after a crash must not run, not even to handle it.
        pending().await
    }
}

impl IamRead for SimBackend<'_> {
    async fn get_user(&self, name: &str) -> BackendResult<Option<UserRecord>> {
        self.serve_read("iam:GetUser", |body| Ok(body.iam_user(name))).await
    }

    async fn list_access_keys(&self, name: &str) -> BackendResult<Vec<KeyRecord>> {
        self.serve_read("iam:ListAccessKeys", |body| body.listed_keys(name)).await
    }

    async fn get_last_use(&self, _user: &str, key: &str) -> BackendResult<Option<LastUse>> {
        self.serve_read("iam:GetAccessKeyLastUsed", |body| body.last_used(key)).await
    }
}

impl IamWrite for SimBackend<'_> {
    async fn create_access_key(&self, user: &str) -> BackendResult<Credential> {
        let user = user.to_owned();
        self.serve_write("iam:CreateAccessKey", move |body| body.create_key(&user, false)).await
    }

    async fn set_key_status(&self, user: &str, key: &str, status: KeyState) -> BackendResult<()> {
        let (user, key) = (user.to_owned(), key.to_owned());
        self.serve_write("iam:UpdateAccessKey", move |body| body.set_key(&user, &key, status)).await
    }

    async fn delete_access_key(&self, user: &str, key: &str) -> BackendResult<()> {
        let (user, key) = (user.to_owned(), key.to_owned());
        self.serve_write("iam:DeleteAccessKey", move |body| body.delete_key(&user, &key)).await
    }
}

impl KeyTags for SimBackend<'_> {
    async fn set_key_description(&self, user: &str, key: &str, text: Option<&str>) -> BackendResult<()> {
        let (user, key, text) = (user.to_owned(), key.to_owned(), text.map(str::to_owned));
        self.serve_write("iam:TagUser", move |body| {
            if let Some(user) = body.users.get_mut(&user) {
                match text {
                    Some(text) => drop(user.tags.insert(key, text)),
                    None => drop(user.tags.remove(&key)),
                }
            }
            Ok(())
        })
        .await
    }

    async fn set_user_tag(&self, user: &str, name: &str, value: &str) -> BackendResult<()> {
        let (user, name, value) = (user.to_owned(), name.to_owned(), value.to_owned());
        self.serve_write("iam:TagUser", move |body| {
            if let Some(user) = body.users.get_mut(&user) {
                user.tags.insert(name, value);
            }
            Ok(())
        })
        .await
    }
}

impl CallerIdentity for SimBackend<'_> {
    async fn get_caller_user_id(&self, credential: &Credential) -> BackendResult<Arc<str>> {
        let (id, secret) = (credential.access_key_id().to_owned(), credential.expose_secret().to_owned());
        // A write in the simulation: STS changes nothing, but IAM records the use of the key.
        self.serve_write("sts:GetCallerIdentity", move |body| {
            body.record_use(&id, &secret, "sts", SignedDuration::from_mins(30))
        })
        .await
    }
}

impl JournalStore for SimBackend<'_> {
    async fn read_chain(&self, user: &str) -> BackendResult<JournalChain> {
        self.serve_read("journal:read", |body| Ok(body.journal_chain(user))).await
    }

    async fn append_entry(
        &self,
        user: &str,
        onto: Option<&str>,
        entry: &JournalEntry,
        kept: &StagedFiles,
    ) -> BackendResult<CommitId> {
        let (user, onto) = (user.to_owned(), onto.map(str::to_owned));
        let (entry, kept) = (entry.clone(), kept.clone());
        self.serve_write("journal:append", move |body| body.append_entry(&user, onto.as_deref(), entry, kept))
            .await
    }

    async fn read_staged_files(&self, user: &str, commit: &str) -> BackendResult<StagedFiles> {
        self.serve_read("journal:kept", |body| body.staged_files(user, commit)).await
    }
}

impl RepositoryContents for SimBackend<'_> {
    async fn read_default_head(&self) -> BackendResult<CommitId> {
        self.serve_read("git:head", |body| Ok(body.default_head())).await
    }

    async fn read_file(&self, commit: &str, path: &str) -> BackendResult<Option<Vec<u8>>> {
        self.serve_read("git:file", |body| Ok(body.file_at(commit, path))).await
    }

    async fn list_links(&self, _: &str) -> BackendResult<Vec<String>> {
        Ok(Vec::new())
    }

    async fn list_paths(&self, commit: &str) -> BackendResult<Vec<String>> {
        self.serve_read("git:paths", |body| Ok(body.paths_at(commit))).await
    }

    async fn find_named_keys(
        &self,
        commit: &str,
        keys: &[&str],
    ) -> BackendResult<BTreeMap<String, BTreeSet<String>>> {
        self.serve_read("git:keys", |body| Ok(body.keys_named_at(commit, keys))).await
    }

    async fn is_ancestor(&self, commit: &str, head: &str) -> BackendResult<bool> {
        self.serve_read("github:compare", |body| Ok(body.is_ancestor(commit, head))).await
    }
}

impl RotationBranches for SimBackend<'_> {
    async fn find_branch_blocker(
        &self,
        _: &str,
        _: &BTreeMap<String, usize>,
    ) -> BackendResult<Option<String>> {
        Ok(None)
    }

    async fn read_branch_tip(&self, branch: &str) -> BackendResult<Option<CommitId>> {
        self.serve_read("git:branch", |body| Ok(body.refs.get(branch).cloned())).await
    }

    async fn read_branch_commit(&self, commit: &str) -> BackendResult<BranchCommit> {
        self.serve_read("git:commit", |body| body.branch_commit(commit)).await
    }

    async fn compare_commits(&self, tip: &str, head: &str) -> BackendResult<CommitComparison> {
        self.serve_read("github:compare", |body| body.compare_commits(tip, head)).await
    }

    async fn start_branch(&self, branch: &str, at: &str) -> BackendResult<()> {
        let (branch, at) = (branch.to_owned(), at.to_owned());
        self.serve_write("git:start-branch", move |body| body.start_branch(&branch, &at)).await
    }

    async fn commit_to_branch(
        &self,
        branch: &str,
        tip: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let (branch, tip) = (branch.to_owned(), tip.to_owned());
        let (files, message) = (files.clone(), message.to_owned());
        self.serve_write("git:commit-to-branch", move |body| {
            body.commit_to_branch(&branch, &tip, &files, &message)
        })
        .await
    }

    async fn remove_branch(&self, branch: &str) -> BackendResult<()> {
        let branch = branch.to_owned();
        self.serve_write("git:remove-branch", move |body| {
            body.refs.remove(&branch);
            Ok(())
        })
        .await
    }

    async fn create_branch(
        &self,
        branch: &str,
        base: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let (branch, base, files, message) =
            (branch.to_owned(), base.to_owned(), files.clone(), message.to_owned());
        self.serve_write("git:create-branch", move |body| {
            body.create_branch(&branch, &base, &files, &message)
        })
        .await
    }

    async fn update_branch(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let (branch, tip, head) = (branch.to_owned(), tip.to_owned(), head.to_owned());
        let (files, message) = (files.clone(), message.to_owned());
        self.serve_write("git:update-branch", move |body| {
            body.update_branch(&branch, &tip, &head, &files, &message)
        })
        .await
    }
}

impl PullRequests for SimBackend<'_> {
    async fn ensure_may_open(&self) -> BackendResult<()> {
        Ok(())
    }

    async fn find_pull_request(&self, branch: &str) -> BackendResult<Option<PullRequest>> {
        self.serve_read("pull:find", |body| Ok(body.find_pull(branch))).await
    }

    async fn open_pull_request(&self, branch: &str, text: &PullRequestText) -> BackendResult<u64> {
        let (branch, text) = (branch.to_owned(), text.clone());
        self.serve_write("pull:open", move |body| body.open_pull(&branch, &text)).await
    }

    async fn close_pull_request(&self, number: u64) -> BackendResult<()> {
        self.serve_write("pull:close", move |body| body.set_pull(number, PullRequestState::Closed)).await
    }

    async fn comment_on_pull_request(&self, _: u64, _: &str) {}

    async fn list_foreign_changes(
        &self,
        _: &[String],
        _: Timestamp,
        _: &str,
    ) -> BackendResult<Vec<ForeignChange>> {
        self.serve_read("pull:others", |_| Ok(Vec::new())).await
    }

    async fn may_write(&self, _: &str) -> BackendResult<bool> {
        Ok(true)
    }
}

impl KeyProvider for SimBackend<'_> {
    async fn get_public_key(&self, destination: &Destination) -> BackendResult<PublicKey> {
        destination.store::<Self>().ok_or_else(not_a_store)?.get_public_key(self).await
    }

    async fn unwrap_data_key(&self, _: &str, _: &[u8]) -> BackendResult<Option<DataKey>> {
        Ok(None)
    }

    async fn wrap_new_data_key(&self, _: &str, _: &[u8]) -> BackendResult<Option<FreshKey>> {
        Ok(None)
    }
}

impl Clock for SimBackend<'_> {
    fn now(&self) -> Timestamp {
        self.world.current_time()
    }

    async fn sleep(&self, time: SignedDuration) {
        YieldOnce::new().await;
        self.world.advance_time(time);
    }
}
