//! Reads and creates git objects through GitHub's API: commits, trees and blobs.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::api::{GithubError, HttpMethod, RetryPolicy, list_at, text_at};
use super::objects::{CommitInfo, TreeEntry, TreeListing};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind, FileChanges};
use crate::url_encoding::encode_path;

/// The mode of a file that is neither executable nor a link.
const PLAIN: &str = "100644";

impl LiveBackend {
    pub(super) async fn commit_info(&self, sha: &str) -> BackendResult<Rc<CommitInfo>> {
        if let Some(known) = self.objects.commits.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.read_object("commits", sha, "").await?;
        let mut info = CommitInfo {
            tree: text_at(&answer, "/tree/sha")?,
            parents: Vec::new(),
            message: text_at(&answer, "/message")?,
        };
        for parent in list_at(&answer, "/parents")? {
            info.parents.push(text_at(parent, "/sha")?);
        }
        Ok(self.cache_commit(sha, info))
    }

    pub(super) fn cache_commit(&self, commit: &str, info: CommitInfo) -> Rc<CommitInfo> {
        let info = Rc::new(info);
        self.objects.commits.borrow_mut().insert(commit.to_owned(), info.clone());
        info
    }

    /// The whole tree of a commit, as far as GitHub lists it.
    pub(super) async fn commit_listing(&self, commit: &str) -> BackendResult<Rc<TreeListing>> {
        let tree = &self.commit_info(commit).await?.tree;
        self.read_tree(tree, "?recursive=1").await
    }

    /// An object by its name.
    async fn read_object(&self, kind: &str, name: &str, query: &str) -> BackendResult<Value> {
        let path = self.repository_endpoint(&format!("git/{kind}/{}{query}", encode_path(name)));
        self.api.get_json(&path).await.map_err(unread_object)
    }

    pub(super) async fn read_tree(&self, tree: &str, query: &str) -> BackendResult<Rc<TreeListing>> {
        let key = format!("{tree}{query}");
        if let Some(known) = self.objects.trees.borrow().get(&key) {
            return Ok(known.clone());
        }
        let answer = self.read_object("trees", tree, query).await?;
        // A reply that does not say whether it is complete counts as incomplete.
        let mut listing = TreeListing {
            is_truncated: answer["truncated"].as_bool().unwrap_or(true),
            ..TreeListing::default()
        };
        for item in list_at(&answer, "/tree")? {
            let size = item["size"].as_u64().unwrap_or_default();
            let entry = TreeEntry { mode: text_at(item, "/mode")?, sha: text_at(item, "/sha")?, size };
            listing.entries.insert(text_at(item, "/path")?, entry);
        }
        let listing = Rc::new(listing);
        self.objects.trees.borrow_mut().insert(key, listing.clone());
        Ok(listing)
    }

    pub(super) async fn read_blob(&self, sha: &str) -> BackendResult<Rc<Vec<u8>>> {
        if let Some(known) = self.objects.blobs.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.read_object("blobs", sha, "").await?;
        // GitHub breaks its Base64 into lines
        let content: String = text_at(&answer, "/content")?.split_ascii_whitespace().collect();
        let Ok(bytes) = STANDARD.decode(content) else {
            return Err(BackendError::new(ErrorKind::NotApplied, "GitHub's reply is not Base64"));
        };
        let bytes = Rc::new(bytes);
        self.objects.blobs.borrow_mut().insert(sha.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// Creates a tree: the one of `base` with changes, or these files alone.
    pub(super) async fn make_tree(&self, base: Option<&str>, files: &FileChanges) -> BackendResult<String> {
        let mut entries = Vec::new();
        for (path, bytes) in files {
            // A file that exists keeps its mode: it may be executable
            let known = match base {
                Some(base) => self.find_tree_entry(base, path).await?,
                None => None,
            };
            let mode = known.as_ref().map_or(PLAIN, |entry| entry.mode.as_str());
            let mut entry = json!({ "path": path, "mode": mode, "type": "blob" });
            match bytes.as_deref().map(|bytes| (bytes, std::str::from_utf8(bytes))) {
                None => entry["sha"] = Value::Null,
                Some((_, Ok(text))) => entry["content"] = text.into(),
                // A tree takes only UTF-8 texts; other content needs a blob of its own.
                Some((bytes, Err(_))) => entry["sha"] = self.make_blob(bytes).await?.into(),
            }
            entries.push(entry);
        }
        let mut body = json!({ "tree": entries });
        if let Some(base) = base {
            let tree = &self.commit_info(base).await?.tree;
            if files.is_empty() {
                return Ok(tree.clone());
            }
            body["base_tree"] = tree.as_str().into();
        }
        object_sha(&self.create_object("git/trees", &body).await?)
    }

    async fn make_blob(&self, bytes: &[u8]) -> BackendResult<String> {
        let body = json!({ "content": STANDARD.encode(bytes), "encoding": "base64" });
        object_sha(&self.create_object("git/blobs", &body).await?)
    }

    /// Creates a commit that no reference names yet. Without author and committer, GitHub signs it as the token's owner.
    pub(super) async fn make_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
    ) -> BackendResult<String> {
        let body = json!({ "message": message, "tree": tree, "parents": parents });
        let sha = object_sha(&self.create_object("git/commits", &body).await?)?;
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        self.cache_commit(&sha, CommitInfo { tree: tree.to_owned(), parents, message: message.to_owned() });
        Ok(sha)
    }

    /// Creates an object. Its name follows from its content, so a repeated request changes nothing.
    async fn create_object(&self, path: &str, body: &Value) -> BackendResult<Value> {
        let path = self.repository_endpoint(path);
        let sent = self.api.send_request(HttpMethod::Post(body), &path, RetryPolicy::Harmless).await;
        sent.map_err(|trouble| match BackendError::from(trouble) {
            // An object has no former state, so a 409 is no lost race: push protection refuses the content with it.
            BackendError { kind: ErrorKind::Conflict, message, .. } => {
                BackendError::new(ErrorKind::Rejected, message)
            }
            failure => failure,
        })
    }
}

/// The error of a read. A refusal can be due to the token, so it is not taken as an answer about the object.
pub(super) fn unread_object(trouble: GithubError) -> BackendError {
    match BackendError::from(trouble) {
        failure if failure.kind == ErrorKind::Rejected => {
            BackendError { kind: ErrorKind::NotApplied, ..failure }
        }
        failure => failure,
    }
}

/// The name of a created object. Without one the request may have been applied.
fn object_sha(value: &Value) -> BackendResult<String> {
    text_at(value, "/sha").map_err(|failure| BackendError { kind: ErrorKind::Indeterminate, ..failure })
}
