//! Simulates what people do: they merge, close, re-open and revert pull requests, edit files, create and deactivate keys.

use std::collections::BTreeMap;

use super::simulation::{Simulation, SimulationState};
use super::state::{MAIN, SimState, SimUser};
use crate::ports::{BackendResult, FileChanges};
use crate::rotation::{KeyState, PullRequestState};

impl Simulation {
    /// Creates a user with one key; the owner tag names a repository.
    pub fn add_user(&self, name: &str, owner: Option<u64>) -> BackendResult<crate::secret::Credential> {
        self.with_state(|state| {
            let id = format!("AIDA{:016}", state.body.next_serial());
            let tags = owner.map(|id| ("keytide:owner".to_owned(), id.to_string())).into_iter();
            let user = SimUser { id: id.into(), tags: tags.collect::<BTreeMap<_, _>>(), keys: Vec::new() };
            state.body.users.insert(name.to_owned(), user);
            state.body.create_key(name, false)
        })
    }

    /// Commits to the default branch.
    pub fn push_files(&self, files: &FileChanges, message: &str) {
        self.act_as_person(|body| body.push_to_default(files, message));
    }

    /// # Errors
    /// It has conflicts, or is not there.
    pub fn merge_pull_request(&self, number: u64) -> BackendResult<()> {
        let at = self.current_time();
        self.act_as_person(|body| body.set_pull(number, PullRequestState::Merged { at }))
    }

    pub fn close_pull_request(&self, number: u64) -> BackendResult<()> {
        self.act_as_person(|body| body.set_pull(number, PullRequestState::Closed))
    }

    pub fn reopen_pull_request(&self, number: u64) -> BackendResult<()> {
        self.act_as_person(|body| body.set_pull(number, PullRequestState::Open { conflicting: false }))
    }

    /// Restores files of the default branch from a commit.
    pub fn restore_files(&self, commit: &str, paths: &[&str]) {
        self.act_as_person(|body| {
            let files: FileChanges =
                paths.iter().map(|path| ((*path).to_owned(), body.file_at(commit, path))).collect();
            body.push_to_default(&files, "Revert");
        });
    }

    /// An administrator adds a rule that refuses keytide's commits whose message has this in it, or removes the rule.
    pub fn refuse_commits(&self, message: Option<&str>) {
        self.act_as_person(|body| body.refused_message = message.map(str::to_owned));
    }

    /// Another writer changes its field of the versioned secrets.
    pub fn write_beside(&self) {
        self.with_state(SimulationState::write_beside);
    }

    /// A person creates a key.
    pub fn key_by_hand(&self, user: &str) -> BackendResult<crate::secret::Credential> {
        self.act_as_person(|body| body.create_key(user, true))
    }

    pub fn switch_by_hand(&self, user: &str, key: &str, status: KeyState) -> BackendResult<()> {
        self.act_as_person(|body| body.set_key(user, key, status))
    }

    /// The pull requests that are open, oldest first.
    pub fn open_pulls(&self) -> Vec<u64> {
        self.with_state(|state| {
            state.body.pulls.iter().filter(|pull| pull.is_open()).map(|pull| pull.number).collect()
        })
    }

    /// The head of the default branch.
    pub fn default_head(&self) -> std::sync::Arc<str> {
        self.with_state(|state| state.body.refs.get(MAIN).cloned().unwrap_or_default())
    }

    /// Applies a change by a person. It is checked too, but a key that a person brings back into use is excused.
    fn act_as_person<T>(&self, act: impl FnOnce(&mut SimState) -> T) -> T {
        self.with_state(|state| {
            // The checks run inside of `apply_change`, so the mark is set before it.
            state.invariant_state().by_person = true;
            let done = state.apply_change(act);
            state.invariant_state().by_person = false;
            done
        })
    }
}

impl SimulationState {
    /// Another writer changes its field of the versioned secrets.
    pub(super) fn write_beside(&mut self) {
        let foreign = self.body.next_serial().to_string();
        self.invariant_state().foreign_field.clone_from(&foreign);
        self.apply_change(|body| body.edit_foreign_field(&foreign));
    }

    /// Another writer puts back the former secret access key, and leaves the access key ID as it is.
    pub(super) fn revert_secrets(&mut self) {
        self.apply_change(SimState::revert_secrets);
    }
}
