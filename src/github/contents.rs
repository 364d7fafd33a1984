//! Git objects and references through GitHub's API: the default branch's files, keytide's own branches.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::api::{GithubError, HttpMethod, RetryPolicy, encode_path as escaped, encode_segment};
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, CommitId, ErrorKind, FileChanges, RepositoryContents, RotationBranches,
};
use crate::repository::is_lfs_pointer;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 10 * 1024 * 1024;
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";
const FOLDER: &str = "040000";
const PLAIN: &str = "100644";

/// What never changes is asked for once.
#[derive(Default)]
pub struct ObjectCache {
    commits: RefCell<HashMap<String, Rc<CommitInfo>>>,
    trees: RefCell<HashMap<String, Rc<TreeListing>>>,
    blobs: RefCell<HashMap<String, Rc<Vec<u8>>>>,
    /// Each commit with one that has it in its history.
    ancestors: RefCell<HashSet<(String, String)>>,
}

/// A commit, as far as it matters here.
#[derive(Debug)]
pub struct CommitInfo {
    pub tree: String,
}

/// The entries of a tree, by their path.
#[derive(Debug, Default)]
pub struct TreeListing {
    pub entries: BTreeMap<String, TreeEntry>,
    /// GitHub left some out.
    truncated: bool,
}

#[derive(Debug, Clone)]
pub struct TreeEntry {
    mode: String,
    pub sha: String,
    size: u64,
}

impl TreeEntry {
    /// Whether it is a file: no folder, link or submodule.
    pub fn is_file(&self) -> bool {
        ![FOLDER, LINK, SUBMODULE].contains(&self.mode.as_str())
    }
}

/// A field of a reply that must be there.
pub fn text_at(value: &Value, pointer: &str) -> BackendResult<String> {
    let found = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found
        .ok_or_else(|| BackendError::new(ErrorKind::NotApplied, format!("GitHub's reply has no `{pointer}`")))
}

/// A reply to a request that may have done something.
fn object_sha(value: &Value) -> BackendResult<String> {
    text_at(value, "/sha").map_err(|failure| BackendError { kind: ErrorKind::Indeterminate, ..failure })
}

impl LiveBackend {
    /// The references that begin with a prefix, each with its commit. An empty list is a list: unlike the question for
    /// one reference, this one is not answered in the same way when the token may not ask. GitHub lists them all at once.
    pub(super) async fn list_refs(&self, prefix: &str) -> BackendResult<Vec<(String, String)>> {
        let path = format!("git/matching-refs/{}", escaped(prefix));
        let answer = self.api.get_json(&self.in_repository(&path)).await?;
        let items = answer
            .as_array()
            .ok_or_else(|| BackendError::new(ErrorKind::NotApplied, "GitHub's list of references is none"))?;
        items.iter().map(|item| Ok((text_at(item, "/ref")?, text_at(item, "/object/sha")?))).collect()
    }

    /// The commit of a reference (without the leading `refs/`); `None`: there is no such reference.
    pub(super) async fn read_ref(&self, name: &str) -> BackendResult<Option<String>> {
        let whole = format!("refs/{name}");
        Ok(self.list_refs(name).await?.into_iter().find(|(found, _)| *found == whole).map(|(_, sha)| sha))
    }

    /// Makes a reference (without the leading `refs/`), or moves it forward. What becomes of a lost request is looked
    /// up once: where it is still not seen, nobody knows.
    pub(super) async fn put_reference(&self, name: &str, sha: &str, is_new: bool) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let sent = if is_new {
            let body = json!({ "ref": format!("refs/{name}"), "sha": sha });
            self.api
                .send_request(HttpMethod::Post(&body), &self.in_repository("git/refs"), RetryPolicy::Never)
                .await
        } else {
            let body = json!({ "sha": sha, "force": false });
            let path = self.in_repository(&format!("git/refs/{}", escaped(name)));
            self.api.send_request(HttpMethod::Patch(&body), &path, RetryPolicy::Never).await
        };
        let Err(trouble) = sent else { return Ok(()) };
        if trouble.outcome == ErrorKind::Indeterminate
            && self.read_ref(name).await.is_ok_and(|at| at.as_deref() == Some(sha))
        {
            return Ok(());
        }
        Err(lost_race_error(trouble))
    }

    pub(super) async fn commit_info(&self, sha: &str) -> BackendResult<Rc<CommitInfo>> {
        if let Some(known) = self.objects.commits.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.read_object("commits", sha, "").await?;
        Ok(self.cache_commit(sha, text_at(&answer, "/tree/sha")?))
    }

    pub(super) fn cache_commit(&self, commit: &str, tree: String) -> Rc<CommitInfo> {
        let info = Rc::new(CommitInfo { tree });
        self.objects.commits.borrow_mut().insert(commit.to_owned(), info.clone());
        info
    }

    /// A whole tree, as far as GitHub lists it.
    pub(super) async fn commit_listing(&self, commit: &str) -> BackendResult<Rc<TreeListing>> {
        let tree = &self.commit_info(commit).await?.tree;
        self.read_tree(tree, "?recursive=1").await
    }

    /// An object by its name. That GitHub refuses to show it says nothing of what it is.
    async fn read_object(&self, kind: &str, name: &str, query: &str) -> BackendResult<Value> {
        let path = self.in_repository(&format!("git/{kind}/{}{query}", escaped(name)));
        let shown = self.api.get_json(&path).await;
        shown.map_err(|trouble| match BackendError::from(trouble) {
            BackendError { kind: ErrorKind::Rejected, message: what } => {
                BackendError::new(ErrorKind::NotApplied, what)
            }
            failure => failure,
        })
    }

    async fn read_tree(&self, tree: &str, query: &str) -> BackendResult<Rc<TreeListing>> {
        let key = format!("{tree}{query}");
        if let Some(known) = self.objects.trees.borrow().get(&key) {
            return Ok(known.clone());
        }
        let answer = self.read_object("trees", tree, query).await?;
        let mut listing = TreeListing {
            truncated: answer["truncated"].as_bool().unwrap_or(true),
            ..TreeListing::default()
        };
        for item in answer["tree"].as_array().into_iter().flatten() {
            let size = item["size"].as_u64().unwrap_or_default();
            let entry = TreeEntry { mode: text_at(item, "/mode")?, sha: text_at(item, "/sha")?, size };
            listing.entries.insert(text_at(item, "/path")?, entry);
        }
        let listing = Rc::new(listing);
        self.objects.trees.borrow_mut().insert(key, listing.clone());
        Ok(listing)
    }

    /// What stands at a path; on the way to it nothing may lead out of the repository.
    async fn find_tree_entry(&self, commit: &str, path: &str) -> BackendResult<Option<TreeEntry>> {
        let listing = self.commit_listing(commit).await?;
        if listing.truncated {
            return self.walk_tree(commit, path).await;
        }
        for (end, _) in path.match_indices('/') {
            if let Some(above) = listing.entries.get(&path[..end]) {
                leads_away(&path[..end], above)?;
            }
        }
        Ok(listing.entries.get(path).cloned())
    }

    /// The same in a repository too large for one list: folder by folder.
    async fn walk_tree(&self, commit: &str, path: &str) -> BackendResult<Option<TreeEntry>> {
        let mut tree = self.commit_info(commit).await?.tree.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let listing = self.read_tree(&tree, "").await?;
            if listing.truncated {
                return Err(BackendError::new(
                    ErrorKind::Rejected,
                    "GitHub lists this repository only in part",
                ));
            }
            let Some(entry) = listing.entries.get(part) else { return Ok(None) };
            if parts.peek().is_none() {
                return Ok(Some(entry.clone()));
            }
            leads_away(path, entry)?;
            tree.clone_from(&entry.sha);
        }
        Ok(None)
    }

    pub(super) async fn read_blob(&self, sha: &str) -> BackendResult<Rc<Vec<u8>>> {
        if let Some(known) = self.objects.blobs.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.read_object("blobs", sha, "").await?;
        let content: String = text_at(&answer, "/content")?.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(content);
        let bytes =
            bytes.map_err(|_| BackendError::new(ErrorKind::NotApplied, "GitHub's reply is no Base64"))?;
        let bytes = Rc::new(bytes);
        self.objects.blobs.borrow_mut().insert(sha.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// A tree: that of a base, changed; without a base, these files alone.
    pub(super) async fn make_tree(&self, base: Option<&str>, files: &FileChanges) -> BackendResult<String> {
        let mut entries = Vec::new();
        let listing = match base {
            Some(base) => Some(self.commit_listing(base).await?),
            None => None,
        };
        for (path, bytes) in files {
            let known = listing.as_ref().and_then(|listing| listing.entries.get(path));
            let mode = known.map_or(PLAIN, |entry| entry.mode.as_str());
            let mut entry = json!({ "path": path, "mode": mode, "type": "blob" });
            match bytes.as_deref().map(|bytes| (bytes, std::str::from_utf8(bytes))) {
                None => entry["sha"] = Value::Null,
                Some((_, Ok(text))) => entry["content"] = text.into(),
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

    /// A commit that no reference names yet. Without author and committer GitHub signs it for whom the token belongs to.
    pub(super) async fn make_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
    ) -> BackendResult<String> {
        let body = json!({ "message": message, "tree": tree, "parents": parents });
        let sha = object_sha(&self.create_object("git/commits", &body).await?)?;
        self.cache_commit(&sha, tree.to_owned());
        Ok(sha)
    }

    /// Makes an object. Nothing names it, so that making it twice changes nothing.
    async fn create_object(&self, path: &str, body: &Value) -> BackendResult<Value> {
        Ok(self
            .api
            .send_request(HttpMethod::Post(body), &self.in_repository(path), RetryPolicy::Harmless)
            .await?)
    }
}

/// A reference that somebody else made or moved first.
fn lost_race_error(trouble: GithubError) -> BackendError {
    let others = ["already exists", "fast forward", "fast-forward", "does not exist"];
    let faster = trouble.status == Some(422) && others.iter().any(|words| trouble.message_contains(words));
    let faster = faster || trouble.outcome == ErrorKind::Conflict;
    let outcome = if faster { ErrorKind::Conflict } else { trouble.outcome };
    BackendError::new(outcome, trouble.what)
}

fn leads_away(path: &str, entry: &TreeEntry) -> BackendResult<()> {
    let what = match entry.mode.as_str() {
        LINK => "a link",
        SUBMODULE => "a submodule",
        _ => return Ok(()),
    };
    Err(BackendError::new(ErrorKind::Rejected, format!("`{path}` is {what}: name the file itself")))
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
        leads_away(path, &entry)?;
        let refuse = |what: &str| Err(BackendError::new(ErrorKind::Rejected, format!("`{path}` is {what}")));
        if entry.mode == FOLDER {
            return refuse("a folder");
        }
        if entry.size > MAX_BYTES {
            return refuse("too large");
        }
        let bytes = self.read_blob(&entry.sha).await?;
        if is_lfs_pointer(&bytes) {
            return refuse("a Git LFS pointer: what is encrypted lies elsewhere");
        }
        Ok(Some(bytes.to_vec()))
    }

    async fn list_paths(&self, commit: &str) -> BackendResult<Vec<String>> {
        let listing = self.commit_listing(commit).await?;
        if listing.truncated {
            return Err(BackendError::new(ErrorKind::Rejected, "GitHub lists this repository only in part"));
        }
        let files = listing.entries.iter().filter(|(_, entry)| entry.is_file());
        Ok(files.map(|(path, _)| path.clone()).collect())
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
        let path = self.in_repository(&format!("compare/{head}...{commit}?per_page=1"));
        let Some(answer) = found_or_none(self.api.get_json(&path).await)? else { return Ok(false) };
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

/// The rules of GitHub that keep a branch of keytide's from being made, or from being brought up to date or made harmless.
const RULES: [(&str, &str); 4] = [
    ("creation", "the creation of"),
    ("update", "changes of"),
    ("pull_request", "to pull requests the changes of"),
    ("required_linear_history", "merges into"),
];

impl LiveBackend {
    /// Whether the rules of a set do not hold for this token. Where that is not told, it is found out by trying.
    async fn is_exempt(&self, set: &Value) -> BackendResult<bool> {
        let path = self.in_repository(&format!("rulesets/{set}"));
        Ok(found_or_none(self.api.get_json(&path).await)?
            .is_none_or(|set| set["current_user_can_bypass"] != "never"))
    }
}

/// An answer, if the token may have it and this GitHub knows the question.
fn found_or_none(answer: Result<Value, GithubError>) -> BackendResult<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(GithubError { outcome: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => Ok(None),
        Err(trouble) => Err(trouble.into()),
    }
}

impl RotationBranches for LiveBackend {
    async fn find_branch_blocker(&self, branch: &str) -> BackendResult<Option<String>> {
        let path = self.in_repository(&format!("rules/branches/{}?per_page=100", encode_segment(branch)));
        let found = found_or_none(self.api.get_json(&path).await)?;
        let rules = found.as_ref().and_then(Value::as_array).into_iter().flatten();
        for rule in rules {
            let Some((_, what)) = RULES.iter().find(|(kind, _)| rule["type"] == **kind) else { continue };
            if rule["ruleset_id"].is_u64() && !self.is_exempt(&rule["ruleset_id"]).await? {
                let help = "except `keytide/**/*` from it, or exempt whom the token belongs to";
                return Ok(Some(format!(
                    "a rule of the repository restricts {what} the branch `{branch}`; {help}"
                )));
            }
        }
        Ok(None)
    }

    async fn read_branch_tip(&self, branch: &str) -> BackendResult<Option<CommitId>> {
        Ok(self.read_ref(&format!("heads/{branch}")).await?.map(CommitId::from))
    }

    async fn create_branch(
        &self,
        branch: &str,
        base: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        if self.read_branch_tip(branch).await?.is_some() {
            return Err(BackendError::new(ErrorKind::Conflict, format!("the branch `{branch}` exists")));
        }
        let tree = self.make_tree(Some(base), files).await?;
        let commit = self.make_commit(&tree, &[base], message).await?;
        self.put_reference(&format!("heads/{branch}"), &commit, true).await?;
        Ok(commit.into())
    }

    async fn update_branch(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &FileChanges,
        message: &str,
    ) -> BackendResult<CommitId> {
        let tree = self.make_tree(Some(head), files).await?;
        let commit = self.make_commit(&tree, &[tip, head], message).await?;
        self.put_reference(&format!("heads/{branch}"), &commit, false).await?;
        Ok(commit.into())
    }
}
