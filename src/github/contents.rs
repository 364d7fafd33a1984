//! Git objects and references through GitHub's API: the default branch's files, keytide's own branches.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::api::{Repeat, Trouble, Verb, part, path as escaped};
use crate::live::Service;
use crate::ports::{Answer, Branches, Commit, Failure, Files, Outcome, Tree};
use crate::repository::is_lfs_pointer;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 10 * 1024 * 1024;
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";
const FOLDER: &str = "040000";
const PLAIN: &str = "100644";

/// What never changes is asked for once.
#[derive(Default)]
pub struct Objects {
    commits: RefCell<HashMap<String, Rc<CommitInfo>>>,
    trees: RefCell<HashMap<String, Rc<Listing>>>,
    blobs: RefCell<HashMap<String, Rc<Vec<u8>>>>,
}

/// A commit, as far as it matters here.
#[derive(Debug)]
pub struct CommitInfo {
    pub tree: String,
}

/// The entries of a tree, by their path.
#[derive(Debug, Default)]
pub struct Listing {
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
pub fn text(value: &Value, pointer: &str) -> Answer<String> {
    let found = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::new(Outcome::NotDone, format!("GitHub's reply has no `{pointer}`")))
}

/// A reply to a request that may have done something.
fn made(value: &Value) -> Answer<String> {
    text(value, "/sha").map_err(|failure| Failure { outcome: Outcome::Unknown, ..failure })
}

impl Service {
    /// The references that begin with a prefix, each with its commit. An empty list is a list: unlike the question for
    /// one reference, this one is not answered in the same way when the token may not ask. GitHub lists them all at once.
    pub(super) async fn refs(&self, prefix: &str) -> Answer<Vec<(String, String)>> {
        let path = format!("git/matching-refs/{}", escaped(prefix));
        let answer = self.api.get(&self.in_repository(&path)).await?;
        let items = answer
            .as_array()
            .ok_or_else(|| Failure::new(Outcome::NotDone, "GitHub's list of references is none"))?;
        items.iter().map(|item| Ok((text(item, "/ref")?, text(item, "/object/sha")?))).collect()
    }

    /// The commit of a reference (without the leading `refs/`); `None`: there is no such reference.
    pub(super) async fn reference(&self, name: &str) -> Answer<Option<String>> {
        let whole = format!("refs/{name}");
        Ok(self.refs(name).await?.into_iter().find(|(found, _)| *found == whole).map(|(_, sha)| sha))
    }

    /// Makes a reference (without the leading `refs/`), or moves it forward. What becomes of a lost request is looked
    /// up once: where it is still not seen, nobody knows.
    pub(super) async fn put_reference(&self, name: &str, sha: &str, is_new: bool) -> Answer<()> {
        self.time.agree()?;
        let sent = if is_new {
            let body = json!({ "ref": format!("refs/{name}"), "sha": sha });
            self.api.send(Verb::Post(&body), &self.in_repository("git/refs"), Repeat::Never).await
        } else {
            let body = json!({ "sha": sha, "force": false });
            let path = self.in_repository(&format!("git/refs/{}", escaped(name)));
            self.api.send(Verb::Patch(&body), &path, Repeat::Never).await
        };
        let Err(trouble) = sent else { return Ok(()) };
        if trouble.outcome == Outcome::Unknown
            && self.reference(name).await.is_ok_and(|at| at.as_deref() == Some(sha))
        {
            return Ok(());
        }
        Err(contest(trouble))
    }

    pub(super) async fn commit_info(&self, sha: &str) -> Answer<Rc<CommitInfo>> {
        if let Some(known) = self.objects.commits.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.object("commits", sha, "").await?;
        Ok(self.remember(sha, text(&answer, "/tree/sha")?))
    }

    pub(super) fn remember(&self, commit: &str, tree: String) -> Rc<CommitInfo> {
        let info = Rc::new(CommitInfo { tree });
        self.objects.commits.borrow_mut().insert(commit.to_owned(), info.clone());
        info
    }

    /// A whole tree, as far as GitHub lists it.
    pub(super) async fn listing(&self, commit: &str) -> Answer<Rc<Listing>> {
        let tree = &self.commit_info(commit).await?.tree;
        self.tree(tree, "?recursive=1").await
    }

    /// An object by its name. That GitHub refuses to show it says nothing of what it is.
    async fn object(&self, kind: &str, name: &str, query: &str) -> Answer<Value> {
        let path = self.in_repository(&format!("git/{kind}/{}{query}", escaped(name)));
        let shown = self.api.get(&path).await;
        shown.map_err(|trouble| match Failure::from(trouble) {
            Failure { outcome: Outcome::Refused, what } => Failure::new(Outcome::NotDone, what),
            failure => failure,
        })
    }

    async fn tree(&self, tree: &str, query: &str) -> Answer<Rc<Listing>> {
        let key = format!("{tree}{query}");
        if let Some(known) = self.objects.trees.borrow().get(&key) {
            return Ok(known.clone());
        }
        let answer = self.object("trees", tree, query).await?;
        let mut listing =
            Listing { truncated: answer["truncated"].as_bool().unwrap_or(true), ..Listing::default() };
        for item in answer["tree"].as_array().into_iter().flatten() {
            let size = item["size"].as_u64().unwrap_or_default();
            let entry = TreeEntry { mode: text(item, "/mode")?, sha: text(item, "/sha")?, size };
            listing.entries.insert(text(item, "/path")?, entry);
        }
        let listing = Rc::new(listing);
        self.objects.trees.borrow_mut().insert(key, listing.clone());
        Ok(listing)
    }

    /// What stands at a path; on the way to it nothing may lead out of the repository.
    async fn entry(&self, commit: &str, path: &str) -> Answer<Option<TreeEntry>> {
        let listing = self.listing(commit).await?;
        if listing.truncated {
            return self.walk(commit, path).await;
        }
        for (end, _) in path.match_indices('/') {
            if let Some(above) = listing.entries.get(&path[..end]) {
                leads_away(&path[..end], above)?;
            }
        }
        Ok(listing.entries.get(path).cloned())
    }

    /// The same in a repository too large for one list: folder by folder.
    async fn walk(&self, commit: &str, path: &str) -> Answer<Option<TreeEntry>> {
        let mut tree = self.commit_info(commit).await?.tree.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let listing = self.tree(&tree, "").await?;
            if listing.truncated {
                return Err(Failure::new(Outcome::Refused, "GitHub lists this repository only in part"));
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

    pub(super) async fn blob(&self, sha: &str) -> Answer<Rc<Vec<u8>>> {
        if let Some(known) = self.objects.blobs.borrow().get(sha) {
            return Ok(known.clone());
        }
        let answer = self.object("blobs", sha, "").await?;
        let content: String = text(&answer, "/content")?.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(content);
        let bytes = bytes.map_err(|_| Failure::new(Outcome::NotDone, "GitHub's reply is no Base64"))?;
        let bytes = Rc::new(bytes);
        self.objects.blobs.borrow_mut().insert(sha.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// A tree: that of a base, changed; without a base, these files alone.
    pub(super) async fn make_tree(&self, base: Option<&str>, files: &Files) -> Answer<String> {
        let mut entries = Vec::new();
        let listing = match base {
            Some(base) => Some(self.listing(base).await?),
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
        made(&self.make("git/trees", &body).await?)
    }

    async fn make_blob(&self, bytes: &[u8]) -> Answer<String> {
        let body = json!({ "content": STANDARD.encode(bytes), "encoding": "base64" });
        made(&self.make("git/blobs", &body).await?)
    }

    /// A commit that no reference names yet. Without author and committer GitHub signs it for whom the token belongs to.
    pub(super) async fn make_commit(&self, tree: &str, parents: &[&str], message: &str) -> Answer<String> {
        let body = json!({ "message": message, "tree": tree, "parents": parents });
        let sha = made(&self.make("git/commits", &body).await?)?;
        self.remember(&sha, tree.to_owned());
        Ok(sha)
    }

    /// Makes an object. Nothing names it, so that making it twice changes nothing.
    async fn make(&self, path: &str, body: &Value) -> Answer<Value> {
        Ok(self.api.send(Verb::Post(body), &self.in_repository(path), Repeat::Harmless).await?)
    }
}

/// A reference that somebody else made or moved first.
fn contest(trouble: Trouble) -> Failure {
    let others = ["already exists", "fast forward", "fast-forward", "does not exist"];
    let faster = trouble.status == Some(422) && others.iter().any(|words| trouble.says(words));
    let faster = faster || trouble.outcome == Outcome::Conflict;
    let outcome = if faster { Outcome::Conflict } else { trouble.outcome };
    Failure::new(outcome, trouble.what)
}

fn leads_away(path: &str, entry: &TreeEntry) -> Answer<()> {
    let what = match entry.mode.as_str() {
        LINK => "a link",
        SUBMODULE => "a submodule",
        _ => return Ok(()),
    };
    Err(Failure::new(Outcome::Refused, format!("`{path}` is {what}: name the file itself")))
}

impl Tree for Service {
    async fn head(&self) -> Answer<Commit> {
        let name = format!("heads/{}", self.default_branch);
        let head = self.reference(&name).await?;
        head.map(Commit::from).ok_or_else(|| {
            Failure::new(Outcome::NotDone, format!("there is no branch `{}`", self.default_branch))
        })
    }

    async fn file(&self, commit: &str, path: &str) -> Answer<Option<Vec<u8>>> {
        let Some(entry) = self.entry(commit, path).await? else { return Ok(None) };
        leads_away(path, &entry)?;
        let refuse = |what: &str| Err(Failure::new(Outcome::Refused, format!("`{path}` is {what}")));
        if entry.mode == FOLDER {
            return refuse("a folder");
        }
        if entry.size > MAX_BYTES {
            return refuse("too large");
        }
        let bytes = self.blob(&entry.sha).await?;
        if is_lfs_pointer(&bytes) {
            return refuse("a Git LFS pointer: what is encrypted lies elsewhere");
        }
        Ok(Some(bytes.to_vec()))
    }

    async fn paths(&self, commit: &str) -> Answer<Vec<String>> {
        let listing = self.listing(commit).await?;
        if listing.truncated {
            return Err(Failure::new(Outcome::Refused, "GitHub lists this repository only in part"));
        }
        let files = listing.entries.iter().filter(|(_, entry)| entry.is_file());
        Ok(files.map(|(path, _)| path.clone()).collect())
    }
}

/// The rules of GitHub that keep a branch of keytide's from being made, or from being brought up to date or made harmless.
const RULES: [(&str, &str); 4] = [
    ("creation", "the creation of"),
    ("update", "changes of"),
    ("pull_request", "to pull requests the changes of"),
    ("required_linear_history", "merges into"),
];

impl Service {
    /// Whether the rules of a set do not hold for this token. Where that is not told, it is found out by trying.
    async fn is_exempt(&self, set: &Value) -> Answer<bool> {
        let path = self.in_repository(&format!("rulesets/{set}"));
        Ok(told(self.api.get(&path).await)?.is_none_or(|set| set["current_user_can_bypass"] != "never"))
    }
}

/// An answer, if the token may have it and this GitHub knows the question.
fn told(answer: Result<Value, Trouble>) -> Answer<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Trouble { outcome: Outcome::Missing | Outcome::Refused, .. }) => Ok(None),
        Err(trouble) => Err(trouble.into()),
    }
}

impl Branches for Service {
    async fn obstacle(&self, branch: &str) -> Answer<Option<String>> {
        let path = self.in_repository(&format!("rules/branches/{}?per_page=100", part(branch)));
        let found = told(self.api.get(&path).await)?;
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

    async fn tip(&self, branch: &str) -> Answer<Option<Commit>> {
        Ok(self.reference(&format!("heads/{branch}")).await?.map(Commit::from))
    }

    async fn create(&self, branch: &str, base: &str, files: &Files, message: &str) -> Answer<Commit> {
        if self.tip(branch).await?.is_some() {
            return Err(Failure::new(Outcome::Conflict, format!("the branch `{branch}` exists")));
        }
        let tree = self.make_tree(Some(base), files).await?;
        let commit = self.make_commit(&tree, &[base], message).await?;
        self.put_reference(&format!("heads/{branch}"), &commit, true).await?;
        Ok(commit.into())
    }

    async fn update(
        &self,
        branch: &str,
        tip: &str,
        head: &str,
        files: &Files,
        message: &str,
    ) -> Answer<Commit> {
        let tree = self.make_tree(Some(head), files).await?;
        let commit = self.make_commit(&tree, &[tip, head], message).await?;
        self.put_reference(&format!("heads/{branch}"), &commit, false).await?;
        Ok(commit.into())
    }
}
