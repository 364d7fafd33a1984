//! Reads the repository's committed files through GitHub's API.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{GithubError, text_at};
use super::git_data::unread_object;
use super::objects::TreeEntry;
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, CommitId, ErrorKind, RepositoryContents};
use crate::repository::is_lfs_pointer;

/// The largest file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 10 * 1024 * 1024;

impl LiveBackend {
    /// The entry at a path. No folder on the way to it may be a link or a submodule.
    pub(super) async fn find_tree_entry(&self, commit: &str, path: &str) -> BackendResult<Option<TreeEntry>> {
        let listing = self.commit_listing(commit).await?;
        if listing.is_truncated {
            return self.walk_tree(commit, path).await;
        }
        for (end, _) in path.match_indices('/') {
            if let Some(above) = listing.entries.get(&path[..end]) {
                ensure_not_link(&path[..end], above)?;
            }
        }
        Ok(listing.entries.get(path).cloned())
    }

    /// Why one of these files cannot be written onto the default branch: something that is no file is at its path, or
    /// something that is no folder is above it. Git has one of the two; GitHub refuses a commit with both.
    pub(super) async fn find_path_blocker(
        &self,
        files: &BTreeMap<String, usize>,
    ) -> BackendResult<Option<String>> {
        let head = self.read_default_head().await?;
        for path in files.keys() {
            for (end, _) in path.match_indices('/') {
                let above = &path[..end];
                if files.contains_key(above) {
                    return Ok(Some(format!("`{above}` and `{path}` cannot both be files")));
                }
                match self.find_tree_entry(&head, above).await? {
                    None => break,
                    Some(entry) if entry.is_folder() => {}
                    Some(_) => {
                        return Ok(Some(format!(
                            "`{above}` is no folder, so that `{path}` cannot be written"
                        )));
                    }
                }
            }
            if self.find_tree_entry(&head, path).await?.is_some_and(|entry| !entry.is_file()) {
                return Ok(Some(format!("`{path}` is no file, and cannot be written over")));
            }
        }
        Ok(None)
    }

    /// The same in a repository too large for one list: folder by folder.
    async fn walk_tree(&self, commit: &str, path: &str) -> BackendResult<Option<TreeEntry>> {
        let mut tree = self.commit_info(commit).await?.tree.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let listing = self.read_tree(&tree, "").await?;
            if listing.is_truncated {
                return Err(partial_list());
            }
            let Some(entry) = listing.entries.get(part) else { return Ok(None) };
            if parts.peek().is_none() {
                return Ok(Some(entry.clone()));
            }
            ensure_not_link(path, entry)?;
            tree.clone_from(&entry.sha);
        }
        Ok(None)
    }
}

impl RepositoryContents for LiveBackend {
    async fn read_default_head(&self) -> BackendResult<CommitId> {
        let name = format!("heads/{}", self.default_branch);
        let head = self.read_ref(&name).await?;
        head.map(CommitId::from).ok_or_else(|| {
            BackendError::new(ErrorKind::NotApplied, format!("there is no branch `{}`", self.default_branch))
        })
    }

    async fn read_file(&self, commit: &str, path: &str) -> BackendResult<Option<Vec<u8>>> {
        let Some(entry) = self.find_tree_entry(commit, path).await? else { return Ok(None) };
        ensure_not_link(path, &entry)?;
        if entry.is_folder() {
            return Err(unusable_file(path, "a folder"));
        }
        // Before the request: GitHub's reply would hold the whole file.
        if entry.size > MAX_BYTES {
            return Err(unusable_file(path, "too large"));
        }
        let bytes = self.read_blob(&entry.sha).await?;
        if is_lfs_pointer(&bytes) {
            return Err(unusable_file(path, "a Git LFS pointer: the encrypted content is not in Git"));
        }
        Ok(Some(bytes.to_vec()))
    }

    async fn list_links(&self, commit: &str) -> BackendResult<Vec<String>> {
        let listing = self.commit_listing(commit).await?;
        if listing.is_truncated {
            return Err(partial_list());
        }
        let links = listing.entries.iter().filter(|(_, entry)| !entry.is_file() && !entry.is_folder());
        Ok(links.map(|(path, _)| path.clone()).collect())
    }

    async fn list_paths(&self, commit: &str) -> BackendResult<Vec<String>> {
        let listing = self.commit_listing(commit).await?;
        if listing.is_truncated {
            return Err(partial_list());
        }
        let files = listing.entries.iter().filter(|(_, entry)| entry.is_file());
        Ok(files.map(|(path, _)| path.clone()).collect())
    }

    async fn find_named_keys(
        &self,
        commit: &str,
        keys: &[&str],
    ) -> BackendResult<BTreeMap<String, BTreeSet<String>>> {
        let named = self.read_named_keys(commit).await?;
        let mut found = BTreeMap::new();
        for key in keys {
            found.extend(named.get(*key).map(|path| ((*key).to_owned(), path.clone())));
        }
        Ok(found)
    }

    async fn is_ancestor(&self, commit: &str, head: &str) -> BackendResult<bool> {
        // A journal names the commit: anything but a commit's name is not sent to GitHub.
        if !is_commit_id(commit) {
            return Ok(false);
        }
        let pair = (commit.to_owned(), head.to_owned());
        if commit == head || self.objects.ancestors.borrow().contains(&pair) {
            return Ok(true);
        }
        let path = self.repository_endpoint(&format!("compare/{head}...{commit}?per_page=1"));
        let answer = match self.api.get_json(&path).await {
            Ok(answer) => answer,
            Err(GithubError { outcome: ErrorKind::NotFound, .. }) => return Ok(false),
            Err(trouble) => return Err(unread_object(trouble)),
        };
        let is_ancestor = text_at(&answer, "/merge_base_commit/sha")? == commit;
        if is_ancestor {
            self.objects.ancestors.borrow_mut().insert(pair);
        }
        Ok(is_ancestor)
    }
}

/// Whether a text is the name of a commit: 40 lower-case hexadecimal digits.
fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A link or a submodule could lead to a file that the review of this repository does not cover.
fn ensure_not_link(path: &str, entry: &TreeEntry) -> BackendResult<()> {
    match entry.describe_link() {
        None => Ok(()),
        Some(what) => {
            Err(BackendError::new(ErrorKind::Rejected, format!("`{path}` is {what}: name the file itself")))
        }
    }
}

pub(super) fn unusable_file(path: &str, what: &str) -> BackendError {
    BackendError::new(ErrorKind::Rejected, format!("`{path}` is {what}"))
}

pub(super) fn partial_list() -> BackendError {
    BackendError::new(ErrorKind::Rejected, "GitHub lists only a part of this repository")
}
