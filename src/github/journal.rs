//! Reads and appends journals, which are chains of commits on git references: `git log refs/keytide/ACCOUNT/USER` shows
//! one.
//!
//! An entry is a commit. Its message ends with the entry, so that one request reads a hundred of them; its tree holds the
//! entry as `entry.json` and the staged files. The reference only moves forward, which makes an append a compare-and-swap.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{PAGE, list_at, text_at};
use super::journal_link::{ChainFault, ChainLink, parse_message};
use super::objects::CommitInfo;
use super::references::ReferenceChange;
use crate::destinations::encryption::SealedPayload;
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, CommitId, ErrorKind, FileChanges, JournalChain, JournalStore, StagedFiles,
};
use crate::repository::escape_user_name;
use crate::rotation::{JournalEntry, JournalEvent, ids};
use crate::url_encoding::encode_segment;

/// More entries than the keys of one user cause in decades: a longer chain is not a journal of keytide's.
const MAX_ENTRIES: usize = 5_000;
const ENTRY: &str = "entry.json";
const BASE: &str = "base";
const FILES: &str = "files/";
const PAYLOADS: &str = "payloads/";

/// The encrypted payloads for one store, as the tree of an entry holds them.
#[derive(serde::Serialize, serde::Deserialize)]
struct StagedPayloads {
    place: String,
    payloads: Vec<SealedPayload>,
}

fn commit_message(entry: &JournalEntry) -> String {
    let rendered = entry.render_json();
    let value: Value = serde_json::from_str(&rendered).unwrap_or_default();
    let event = value["event"].as_str().unwrap_or("entry");
    format!("keytide: {event} ({})\n\n{rendered}", entry.user)
}

impl LiveBackend {
    fn journal_ref(&self, user: &str) -> String {
        ids::journal_ref(&self.account, user)
    }

    /// The users of this account that have a journal.
    ///
    /// # Errors
    /// The references cannot be listed.
    pub async fn list_journal_users(&self) -> BackendResult<Vec<String>> {
        let prefix = ids::journal_ref(&self.account, "");
        let whole = format!("refs/{prefix}");
        let found = self.list_refs(&prefix).await?;
        Ok(found.iter().filter_map(|(name, _)| unescape_user(name.strip_prefix(&whole)?)).collect())
    }

    /// A commit of a chain. The other commits on the same page of the reply are cached.
    async fn read_link(&self, sha: &str) -> BackendResult<ChainLink> {
        if let Some(known) = self.known.0.borrow().get(sha) {
            return Ok(known.clone());
        }
        let path = self.repository_endpoint(&format!("commits?sha={}&per_page={PAGE}", encode_segment(sha)));
        let answer = self.api.get_json(&path).await?;
        for commit in list_at(&answer, "")? {
            let name = text_at(commit, "/sha")?;
            let link = ChainLink::from_commit(commit)?;
            let info = CommitInfo {
                tree: text_at(commit, "/commit/tree/sha")?,
                parents: link.parents.clone(),
                message: text_at(commit, "/commit/message")?,
            };
            self.cache_commit(&name, info);
            self.known.0.borrow_mut().insert(name, link);
        }
        let known = self.known.0.borrow().get(sha).cloned();
        known.ok_or_else(|| {
            BackendError::new(ErrorKind::NotApplied, format!("GitHub does not show commit {sha}"))
        })
    }
}

/// The user name in the name of a reference; `None` if no user name is escaped like this.
fn unescape_user(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    // Each user name has one escaped form; a reference in another form is not a journal of keytide's
    String::from_utf8(bytes).ok().filter(|user| escape_user_name(user) == name)
}

impl JournalStore for LiveBackend {
    async fn read_chain(&self, user: &str) -> BackendResult<JournalChain> {
        let mut chain = JournalChain::default();
        let mut next = self.read_ref(&self.journal_ref(user)).await?;
        chain.head = next.clone().map(CommitId::from);
        let mut resumed = false;
        let mut length = 0;
        while let Some(sha) = next.take() {
            let link = self.read_link(&sha).await?;
            length += 1;
            let is_endless = length > MAX_ENTRIES;
            let fault = link.find_fault().or(if is_endless { Some(ChainFault::Endless) } else { None });
            // The chain is read from its end: a fault before a `resume` was seen by a person, who resumed nevertheless.
            if let Some(fault) = fault.filter(|_| !resumed) {
                chain.fault = Some(fault.to_string());
            }
            if let Ok(entry) = link.entry {
                resumed |= matches!(entry.event, JournalEvent::Resumed { .. });
                chain.entries.push((CommitId::from(sha), entry));
            }
            next = link.parents.into_iter().next().filter(|_| !is_endless);
        }
        chain.entries.reverse();
        Ok(chain)
    }

    async fn append_entry(
        &self,
        user: &str,
        onto: Option<&str>,
        entry: &JournalEntry,
        kept: &StagedFiles,
    ) -> BackendResult<CommitId> {
        // Tree and commit first: until the reference moves, they are invisible and do no harm
        let tree = self.make_tree(None, &entry_files(entry, kept)).await?;
        let message = commit_message(entry);
        let parents: Vec<&str> = onto.into_iter().collect();
        let commit = self.make_commit(&tree, &parents, &message).await?;
        let name = self.journal_ref(user);
        self.change_reference(ReferenceChange { name: &name, from: onto, to: &commit }).await?;
        let parents = parents.into_iter().map(str::to_owned).collect();
        let link = ChainLink { parents, entry: parse_message(&message) };
        // The next observation then needs no request for an entry that this run wrote
        self.known.0.borrow_mut().insert(commit.clone(), link);
        Ok(commit.into())
    }

    async fn read_staged_files(&self, _: &str, commit: &str) -> BackendResult<StagedFiles> {
        let listing = self.commit_listing(commit).await?;
        let mut kept = StagedFiles::default();
        for (path, entry) in &listing.entries {
            if !entry.is_file() {
                continue;
            }
            let bytes = self.read_blob(&entry.sha).await?;
            if let Some(path) = path.strip_prefix(FILES) {
                kept.files.insert(path.to_owned(), bytes.to_vec());
            } else if path.starts_with(PAYLOADS) {
                let staged: StagedPayloads = serde_json::from_slice(&bytes).map_err(|error| {
                    BackendError::new(ErrorKind::Rejected, format!("`{path}` is broken: {error}"))
                })?;
                kept.payloads.insert(staged.place, staged.payloads);
            } else if path == BASE {
                kept.base = String::from_utf8_lossy(&bytes).trim().to_owned();
            }
        }
        // Every staged entry has a base, even if it changes no file
        if kept.base.is_empty() {
            return Err(BackendError::new(ErrorKind::NotFound, "this entry has no staged files"));
        }
        Ok(kept)
    }
}

/// The files in the tree of an entry.
fn entry_files(entry: &JournalEntry, kept: &StagedFiles) -> FileChanges {
    let mut files: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    files.insert(ENTRY.to_owned(), Some(entry.render_json().into_bytes()));
    if !kept.base.is_empty() {
        files.insert(BASE.to_owned(), Some(format!("{}\n", kept.base).into_bytes()));
    }
    for (path, bytes) in &kept.files {
        files.insert(format!("{FILES}{path}"), Some(bytes.clone()));
    }
    for (number, (place, payloads)) in kept.payloads.iter().enumerate() {
        let staged = StagedPayloads { place: place.clone(), payloads: payloads.clone() };
        let text = serde_json::to_string_pretty(&staged).unwrap_or_default();
        files.insert(format!("{PAYLOADS}{number}.json"), Some(text.into_bytes()));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> JournalEntry {
        JournalEntry {
            version: 1,
            user: "a.b".into(),
            at: "2026-11-21T12:00:00Z".parse().unwrap(),
            run: "7".into(),
            event: JournalEvent::Heartbeat,
        }
    }

    #[test]
    fn an_entry_is_read_back_from_its_commits_message() {
        let message = commit_message(&entry());
        assert!(message.starts_with("keytide: touch (a.b)\n\n{"), "{message}");
        assert_eq!(*parse_message(&message).unwrap(), entry());
        assert_eq!(*parse_message(message.trim_end()).unwrap(), entry());
        assert!(parse_message("Merge branch 'x'").is_err());
    }

    #[test]
    fn a_reference_names_one_user() {
        assert_eq!(unescape_user("a=2Eb").as_deref(), Some("a.b"));
        for wrong in ["a=2eb", "a=2", "a.b", "=C3", "a/b"] {
            assert_eq!(unescape_user(wrong), None, "{wrong}");
        }
    }
}
