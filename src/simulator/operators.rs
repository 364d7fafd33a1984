//! What people do: they merge, close, re-open and revert pull requests, edit files, make and switch keys by hand.

use std::collections::BTreeMap;

use super::state::{MAIN, UserRecord};
use super::{State, World};
use crate::ports::{Answer, Files};
use crate::rotation::{PullState, Status};

impl World {
    /// A user with one key, owned by a repository.
    pub fn add_user(&self, name: &str, owner: Option<u64>) -> Answer<crate::secret::Credential> {
        self.with(|state| {
            let id = format!("AIDA{:016}", state.body.serial());
            let tags = owner.map(|id| ("keytide:owner".to_owned(), id.to_string())).into_iter();
            let user = UserRecord { id: id.into(), tags: tags.collect::<BTreeMap<_, _>>(), keys: Vec::new() };
            state.body.users.insert(name.to_owned(), user);
            state.body.create_key(name, false)
        })
    }

    /// A commit on the default branch.
    pub fn push(&self, files: &Files, message: &str) {
        self.person(|body| body.push(files, message));
    }

    /// # Errors
    /// It has conflicts, or is not there.
    pub fn merge(&self, number: u64) -> Answer<()> {
        let at = self.now();
        self.person(|body| body.set_pull(number, PullState::Merged { at }))
    }

    pub fn close(&self, number: u64) -> Answer<()> {
        self.person(|body| body.set_pull(number, PullState::Closed))
    }

    pub fn reopen(&self, number: u64) -> Answer<()> {
        self.person(|body| body.set_pull(number, PullState::Open { conflicting: false }))
    }

    /// Brings files of the default branch back to what they were in a commit.
    pub fn restore(&self, commit: &str, paths: &[&str]) {
        self.person(|body| {
            let files: Files =
                paths.iter().map(|path| ((*path).to_owned(), body.file(commit, path))).collect();
            body.push(&files, "Revert");
        });
    }

    /// Somebody writes another field of the secrets that keep versions.
    pub fn write_beside(&self) {
        self.with(State::write_beside);
    }

    /// A key that a person makes.
    pub fn key_by_hand(&self, user: &str) -> Answer<crate::secret::Credential> {
        self.person(|body| body.create_key(user, true))
    }

    pub fn switch_by_hand(&self, user: &str, key: &str, status: Status) -> Answer<()> {
        self.person(|body| body.set_key(user, key, status))
    }

    /// The pull requests that are open, oldest first.
    pub fn open_pulls(&self) -> Vec<u64> {
        self.with(|state| {
            let open = state.body.pulls.iter().filter(|pull| matches!(pull.state, PullState::Open { .. }));
            open.map(|pull| pull.number).collect()
        })
    }

    /// The head of the default branch.
    pub fn main(&self) -> std::sync::Arc<str> {
        self.with(|state| state.body.refs.get(MAIN).cloned().unwrap_or_default())
    }

    /// What a person does is checked too, but a key that a person brings back into use is excused.
    fn person<T>(&self, act: impl FnOnce(&mut super::Body) -> T) -> T {
        self.with(|state| {
            state.by_person(true);
            let done = state.write(act);
            state.by_person(false);
            done
        })
    }
}

impl State {
    /// Somebody writes another field of the secrets that keep versions.
    pub(super) fn write_beside(&mut self) {
        let others = self.body.serial().to_string();
        self.watch().others.clone_from(&others);
        self.write(|body| body.write_beside(&others));
    }
}
