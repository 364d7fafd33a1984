//! Simulates GitHub: commits, references that only move forward, pull requests, journals.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::state::{MAIN, SimCommit, SimPullRequest, SimState, StoredEntry};
use crate::ports::{
    BackendError, BackendResult, BranchCommit, CommitComparison, ErrorKind, FileChanges, JournalChain,
    StagedFiles,
};
use crate::rotation::pull_request::{MAX_BODY_CHARS, PullRequestText};
use crate::rotation::{JournalEntry, PullRequest, PullRequestState};

type FileMap = BTreeMap<String, Rc<[u8]>>;

impl SimState {
    pub fn journal_chain(&self, user: &str) -> JournalChain {
        let journal = self.journals.get(user).into_iter().flatten();
        let entries: Vec<_> = journal.map(|one| (one.commit.clone(), one.entry.clone())).collect();
        JournalChain { head: entries.last().map(|(commit, _)| commit.clone()), entries, fault: None }
    }

    pub fn append_entry(
        &mut self,
        user: &str,
        onto: Option<&str>,
        entry: JournalEntry,
        kept: StagedFiles,
    ) -> BackendResult<Arc<str>> {
        let commit: Arc<str> = format!("j{}", self.next_serial()).into();
        let journal = self.journals.entry(user.to_owned()).or_default();
        // GitHub moves a reference only as a fast-forward, which makes the append a compare-and-swap.
        if journal.last().map(|last| &*last.commit) != onto {
            return Err(BackendError::new(ErrorKind::Conflict, "the journal has moved"));
        }
        journal.push(Rc::new(StoredEntry { commit: commit.clone(), entry: Arc::new(entry), kept }));
        Ok(commit)
    }

    pub fn staged_files(&self, user: &str, commit: &str) -> BackendResult<StagedFiles> {
        let found = self.journals.get(user).into_iter().flatten().find(|one| &*one.commit == commit);
        found
            .map(|one| one.kept.clone())
            .ok_or_else(|| BackendError::new(ErrorKind::NotFound, "there is no such entry"))
    }

    pub fn default_head(&self) -> Arc<str> {
        self.refs.get(MAIN).cloned().unwrap_or_else(|| "c0".into())
    }

    pub fn file_at(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        Some(self.commits.get(commit)?.files.get(path)?.to_vec())
    }

    pub fn paths_at(&self, commit: &str) -> Vec<String> {
        self.commits.get(commit).map(|commit| commit.files.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn keys_named_at(&self, commit: &str, keys: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let mut named = BTreeMap::<String, BTreeSet<String>>::new();
        for (path, bytes) in self.commits.get(commit).iter().flat_map(|commit| &commit.files) {
            for key in keys {
                if memchr::memmem::find(bytes, key.as_bytes()).is_some() {
                    named.entry((*key).to_owned()).or_default().insert(path.clone());
                }
            }
        }
        named
    }

    /// Commits the files of `base` with changes, without a reference.
    fn create_commit(
        &mut self,
        parents: Vec<Arc<str>>,
        base: &str,
        changes: &FileChanges,
        message: &str,
    ) -> Arc<str> {
        let mut files = self.commits.get(base).map(|commit| commit.files.clone()).unwrap_or_default();
        for (path, bytes) in changes {
            match bytes {
                Some(bytes) => drop(files.insert(path.clone(), Rc::from(bytes.as_slice()))),
                None => drop(files.remove(path)),
            }
        }
        let name: Arc<str> = format!("c{}", self.next_serial()).into();
        self.commits.insert(name.clone(), Rc::new(SimCommit { parents, files, message: message.to_owned() }));
        name
    }

    pub fn branch_commit(&self, commit: &str) -> BackendResult<BranchCommit> {
        let Some(found) = self.commits.get(commit) else {
            return Err(BackendError::new(ErrorKind::NotFound, "there is no such commit"));
        };
        let parent = found.parents.first().and_then(|parent| self.commits.get(parent));
        let is_empty = parent.is_some_and(|parent| parent.files == found.files);
        Ok(BranchCommit { message: found.message.clone(), is_empty })
    }

    pub fn start_branch(&mut self, branch: &str, at: &str) -> BackendResult<()> {
        self.ensure_permitted(branch, at, "")?;
        if self.refs.contains_key(branch) {
            return Err(BackendError::new(ErrorKind::Conflict, "the branch exists"));
        }
        self.refs.insert(branch.to_owned(), at.into());
        Ok(())
    }

    pub fn commit_to_branch(
        &mut self,
        branch: &str,
        tip: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<Arc<str>> {
        if self.refs.get(branch).map(|at| &**at) != Some(tip) {
            return Err(BackendError::new(ErrorKind::Conflict, "the branch has moved"));
        }
        self.ensure_permitted(branch, tip, message)?;
        let commit = self.create_commit(vec![tip.into()], tip, files, message);
        self.refs.insert(branch.to_owned(), commit.clone());
        Ok(commit)
    }

    /// GitHub's refusals of a change of a branch: what a rule of the repository forbids, and workflow files that no branch
    /// has now, which a token without the permission for them may not bring.
    fn ensure_permitted(&self, branch: &str, files_of: &str, message: &str) -> BackendResult<()> {
        if self.refused_message.as_deref().is_some_and(|part| message.contains(part)) {
            return Err(BackendError::new(ErrorKind::Rejected, "a rule of the repository"));
        }
        let own = self.workflow_files(files_of);
        let known = [MAIN, branch].into_iter().filter_map(|name| self.refs.get(name));
        if known.map(|tip| self.workflow_files(tip)).any(|files| files == own) {
            return Ok(());
        }
        Err(BackendError::new(ErrorKind::Rejected, "a workflow file changed"))
    }

    fn workflow_files(&self, commit: &str) -> Vec<(&String, &Rc<[u8]>)> {
        let files = self.commits.get(commit).into_iter().flat_map(|commit| &commit.files);
        files.filter(|(path, _)| path.starts_with(".github/workflows/")).collect()
    }

    pub fn create_branch(
        &mut self,
        branch: &str,
        base: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<Arc<str>> {
        self.ensure_permitted(branch, base, message)?;
        if self.refs.contains_key(branch) {
            return Err(BackendError::new(ErrorKind::Conflict, "the branch exists"));
        }
        let commit = self.create_commit(vec![base.into()], base, files, message);
        self.refs.insert(branch.to_owned(), commit.clone());
        Ok(commit)
    }

    pub fn update_branch(
        &mut self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<Arc<str>> {
        if self.refs.get(branch).map(|at| &**at) != Some(tip) {
            return Err(BackendError::new(ErrorKind::Conflict, "the branch has moved"));
        }
        // The head's workflow files are new on this branch, whatever other branch has them.
        if self.workflow_files(tip) != self.workflow_files(head) {
            return Err(BackendError::new(ErrorKind::Rejected, "a workflow file changed"));
        }
        self.ensure_permitted(branch, head, message)?;
        let commit = self.create_commit(vec![tip.into(), head.into()], head, files, message);
        self.refs.insert(branch.to_owned(), commit.clone());
        Ok(commit)
    }

    /// Commits to the default branch, as a person does.
    pub fn push_to_default(&mut self, files: &FileChanges, message: &str) {
        let head = self.default_head();
        let commit = self.create_commit(vec![head.clone()], &head, files, message);
        self.refs.insert(MAIN.to_owned(), commit);
    }

    pub fn find_pull(&self, branch: &str) -> Option<PullRequest> {
        let pull = self.pulls.iter().rfind(|pull| pull.branch == branch)?;
        let state = match &pull.state {
            PullRequestState::Open { .. } => {
                PullRequestState::Open { conflicting: self.merge_result(branch).is_none() }
            }
            other => other.clone(),
        };
        Some(PullRequest { number: pull.number, opened: pull.opened, state })
    }

    pub fn open_pull(&mut self, branch: &str, text: &PullRequestText) -> BackendResult<u64> {
        if !self.refs.contains_key(branch) {
            return Err(BackendError::new(ErrorKind::Rejected, "the branch does not exist"));
        }
        if text.body.chars().count() > MAX_BODY_CHARS {
            return Err(BackendError::new(ErrorKind::Rejected, "the body is too long"));
        }
        // GitHub allows one open pull request per branch, so a repeated request finds the first one.
        if let Some(pull) = self.pulls.iter().find(|pull| pull.branch == branch && pull.is_open()) {
            return Ok(pull.number);
        }
        let number = 100 + self.pulls.len() as u64;
        self.pulls.push(SimPullRequest {
            number,
            branch: branch.to_owned(),
            title: text.title.clone(),
            body: text.body.clone(),
            opened: self.now,
            state: PullRequestState::Open { conflicting: false },
        });
        Ok(number)
    }

    /// Closes, re-opens or merges a pull request; a merge fails if there is a conflict.
    pub fn set_pull(&mut self, number: u64, state: PullRequestState) -> BackendResult<()> {
        let Some(index) = self.pulls.iter().position(|pull| pull.number == number) else {
            return Err(BackendError::new(ErrorKind::NotFound, "there is no such pull request"));
        };
        // A merged pull request can be neither closed nor merged again.
        if matches!(self.pulls[index].state, PullRequestState::Merged { .. }) {
            return Ok(());
        }
        if matches!(state, PullRequestState::Merged { .. }) {
            let branch = self.pulls[index].branch.clone();
            let files = self
                .merge_result(&branch)
                .ok_or_else(|| BackendError::new(ErrorKind::Rejected, "it has conflicts"))?;
            let parents = vec![self.default_head(), self.refs.get(&branch).cloned().unwrap_or_default()];
            let name: Arc<str> = format!("c{}", self.next_serial()).into();
            self.commits
                .insert(name.clone(), Rc::new(SimCommit { parents, files, message: "merge".to_owned() }));
            self.refs.insert(MAIN.to_owned(), name);
        }
        self.pulls[index].state = state;
        Ok(())
    }

    /// The default branch's files after a merge of a branch; `None` when they conflict.
    pub fn merge_result(&self, branch: &str) -> Option<FileMap> {
        let (ours, theirs) = (self.default_head(), self.refs.get(branch)?.clone());
        let none = FileMap::new();
        let base = self.merge_base(&ours, &theirs).map_or(&none, |commit| &commit.files);
        let theirs = &self.commits.get(&theirs)?.files;
        let mut merged = self.commits.get(&ours)?.files.clone();
        for path in base.keys().chain(theirs.keys()) {
            // A three-way merge by whole files: a file that only one side changed has no conflict.
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

    fn merge_base(&self, one: &str, other: &str) -> Option<&Rc<SimCommit>> {
        self.commits.get(&self.shared_ancestor(one, other)?)
    }

    /// The newest common ancestor of two commits: their numbers grow with time.
    fn shared_ancestor(&self, one: &str, other: &str) -> Option<Arc<str>> {
        let (one, other) = (self.ancestors_of(one), self.ancestors_of(other));
        one.intersection(&other).max_by_key(|name| commit_number(name)).cloned()
    }

    pub fn compare_commits(&self, tip: &str, head: &str) -> BackendResult<CommitComparison> {
        let Some(merge_base) = self.shared_ancestor(tip, head) else {
            return Err(BackendError::new(ErrorKind::NotFound, "the commits have no common ancestor"));
        };
        let none = FileMap::new();
        let files_of = |commit: &str| self.commits.get(commit).map_or(&none, |commit| &commit.files);
        let (before, after) = (files_of(&merge_base), files_of(tip));
        let all = before.keys().chain(after.keys());
        let paths = all.filter(|path| before.get(*path) != after.get(*path)).cloned().collect();
        Ok(CommitComparison { merge_base, paths: Some(paths) })
    }

    pub fn is_ancestor(&self, commit: &str, head: &str) -> bool {
        self.ancestors_of(head).contains(commit)
    }

    fn ancestors_of(&self, from: &str) -> std::collections::BTreeSet<Arc<str>> {
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

impl SimPullRequest {
    pub fn is_open(&self) -> bool {
        matches!(self.state, PullRequestState::Open { .. })
    }
}

fn commit_number(commit: &str) -> u64 {
    commit.trim_start_matches('c').parse().unwrap_or_default()
}
