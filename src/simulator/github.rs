//! GitHub: commits, references that only move forward, pull requests, journals.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::state::{Body, Commit, JournalEntry, MAIN, Pull};
use crate::ports::{Answer, Chain, Failure, Files, Kept, Outcome};
use crate::rotation::pull_request::PullText;
use crate::rotation::{Entry, Proposal, PullState};

type FileMap = BTreeMap<String, Rc<[u8]>>;

impl Body {
    pub fn chain(&self, user: &str) -> Chain {
        let entries = self.journals.get(user).into_iter().flatten();
        Chain { entries: entries.map(|one| (one.commit.clone(), one.entry.clone())).collect(), fault: None }
    }

    pub fn append(&mut self, user: &str, onto: Option<&str>, entry: Entry, kept: Kept) -> Answer<Arc<str>> {
        let commit: Arc<str> = format!("j{}", self.serial()).into();
        let journal = self.journals.entry(user.to_owned()).or_default();
        if journal.last().map(|last| &*last.commit) != onto {
            return Err(Failure::new(Outcome::Conflict, "the journal has moved"));
        }
        journal.push(Rc::new(JournalEntry { commit: commit.clone(), entry: Arc::new(entry), kept }));
        Ok(commit)
    }

    pub fn kept(&self, user: &str, commit: &str) -> Answer<Kept> {
        let found = self.journals.get(user).into_iter().flatten().find(|one| &*one.commit == commit);
        found
            .map(|one| one.kept.clone())
            .ok_or_else(|| Failure::new(Outcome::Missing, "there is no such entry"))
    }

    pub fn head(&self) -> Arc<str> {
        self.refs.get(MAIN).cloned().unwrap_or_else(|| "c0".into())
    }

    pub fn file(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        Some(self.commits.get(commit)?.files.get(path)?.to_vec())
    }

    pub fn paths(&self, commit: &str) -> Vec<String> {
        self.commits.get(commit).map(|commit| commit.files.keys().cloned().collect()).unwrap_or_default()
    }

    /// Commits files on top of others, without a reference.
    fn commit(&mut self, parents: Vec<Arc<str>>, base: &str, changes: &Files, message: &str) -> Arc<str> {
        let mut files = self.commits.get(base).map(|commit| commit.files.clone()).unwrap_or_default();
        for (path, bytes) in changes {
            match bytes {
                Some(bytes) => drop(files.insert(path.clone(), Rc::from(bytes.as_slice()))),
                None => drop(files.remove(path)),
            }
        }
        let name: Arc<str> = format!("c{}", self.serial()).into();
        self.commits.insert(name.clone(), Rc::new(Commit { parents, files, message: message.to_owned() }));
        name
    }

    pub fn create_branch(
        &mut self,
        branch: &str,
        base: &str,
        files: &Files,
        message: &str,
    ) -> Answer<Arc<str>> {
        if self.refs.contains_key(branch) {
            return Err(Failure::new(Outcome::Conflict, "the branch exists"));
        }
        let commit = self.commit(vec![base.into()], base, files, message);
        self.refs.insert(branch.to_owned(), commit.clone());
        Ok(commit)
    }

    pub fn update_branch(
        &mut self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &Files,
        message: &str,
    ) -> Answer<Arc<str>> {
        if self.refs.get(branch).map(|at| &**at) != Some(tip) {
            return Err(Failure::new(Outcome::Conflict, "the branch has moved"));
        }
        let commit = self.commit(vec![tip.into(), head.into()], head, files, message);
        self.refs.insert(branch.to_owned(), commit.clone());
        Ok(commit)
    }

    /// A commit on the default branch, by a person.
    pub fn push(&mut self, files: &Files, message: &str) {
        let head = self.head();
        let commit = self.commit(vec![head.clone()], &head, files, message);
        self.refs.insert(MAIN.to_owned(), commit);
    }

    pub fn find_pull(&self, branch: &str) -> Option<Proposal> {
        let pull = self.pulls.iter().rfind(|pull| pull.branch == branch)?;
        let state = match &pull.state {
            PullState::Open { .. } => PullState::Open { conflicting: self.merged(branch).is_none() },
            other => other.clone(),
        };
        Some(Proposal { number: pull.number, opened: pull.opened, state })
    }

    pub fn open_pull(&mut self, branch: &str, text: &PullText) -> Answer<u64> {
        if !self.refs.contains_key(branch) {
            return Err(Failure::new(Outcome::Refused, "the branch does not exist"));
        }
        let open = |pull: &&Pull| pull.branch == branch && matches!(pull.state, PullState::Open { .. });
        if let Some(pull) = self.pulls.iter().find(open) {
            return Ok(pull.number);
        }
        let number = 100 + self.pulls.len() as u64;
        self.pulls.push(Pull {
            number,
            branch: branch.to_owned(),
            title: text.title.clone(),
            body: text.body.clone(),
            opened: self.now,
            state: PullState::Open { conflicting: false },
        });
        Ok(number)
    }

    /// Closes, opens again, or merges a pull request; merging fails when there is a conflict.
    pub fn set_pull(&mut self, number: u64, state: PullState) -> Answer<()> {
        let Some(index) = self.pulls.iter().position(|pull| pull.number == number) else {
            return Err(Failure::new(Outcome::Missing, "there is no such pull request"));
        };
        if matches!(self.pulls[index].state, PullState::Merged { .. }) {
            return Ok(());
        }
        if matches!(state, PullState::Merged { .. }) {
            let branch = self.pulls[index].branch.clone();
            let files =
                self.merged(&branch).ok_or_else(|| Failure::new(Outcome::Refused, "it has conflicts"))?;
            let parents = vec![self.head(), self.refs.get(&branch).cloned().unwrap_or_default()];
            let name: Arc<str> = format!("c{}", self.serial()).into();
            self.commits
                .insert(name.clone(), Rc::new(Commit { parents, files, message: "merge".to_owned() }));
            self.refs.insert(MAIN.to_owned(), name);
        }
        self.pulls[index].state = state;
        Ok(())
    }

    /// The default branch's files after a merge of a branch; `None` when they conflict.
    pub fn merged(&self, branch: &str) -> Option<FileMap> {
        let (ours, theirs) = (self.head(), self.refs.get(branch)?.clone());
        let none = FileMap::new();
        let base = self.common(&ours, &theirs).map_or(&none, |commit| &commit.files);
        let theirs = &self.commits.get(&theirs)?.files;
        let mut merged = self.commits.get(&ours)?.files.clone();
        for path in base.keys().chain(theirs.keys()) {
            if base.get(path) == theirs.get(path) || merged.get(path) == theirs.get(path) {
                continue;
            }
            if merged.get(path) != base.get(path) {
                return None;
            }
            match theirs.get(path) {
                Some(bytes) => drop(merged.insert(path.clone(), bytes.clone())),
                None => drop(merged.remove(path)),
            }
        }
        Some(merged)
    }

    /// The last commit that two have in common: names grow with time.
    fn common(&self, one: &str, other: &str) -> Option<&Rc<Commit>> {
        let (one, other) = (self.ancestors(one), self.ancestors(other));
        let shared = one.intersection(&other).max_by_key(|name| number(name))?;
        self.commits.get(shared)
    }

    fn ancestors(&self, from: &str) -> std::collections::BTreeSet<Arc<str>> {
        let mut found = std::collections::BTreeSet::new();
        let mut open: Vec<Arc<str>> = vec![from.into()];
        while let Some(name) = open.pop() {
            if let Some(commit) = self.commits.get(&name)
                && found.insert(name)
            {
                open.extend(commit.parents.iter().cloned());
            }
        }
        found
    }
}

fn number(commit: &str) -> u64 {
    commit.trim_start_matches('c').parse().unwrap_or_default()
}
