//! Journals on git references: `git log refs/keytide/ACCOUNT/USER` tells a user's story.
//!
//! An entry is a commit: its message ends with the entry, so that a hundred of them are read with one request, and its
//! tree holds the same as `entry.json`, with what is kept beside it. The reference only moves forward, which makes an
//! append a compare-and-swap.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::api::{PAGE, part};
use super::contents::text;
use crate::destinations::encryption::Payload;
use crate::live::Service;
use crate::ports::{Answer, Chain, Commit, Failure, Files, Journals, Kept, Outcome};
use crate::repository::escape_user_name;
use crate::rotation::{Entry, Event, ids};

/// More entries than a user's keys cause in a lifetime: a chain that is longer is not one of keytide's.
const MAX_ENTRIES: usize = 5_000;
const ENTRY: &str = "entry.json";
const BASE: &str = "base";
const FILES: &str = "files/";
const PAYLOADS: &str = "payloads/";

/// The commits of journals that were read before: they never change.
#[derive(Default)]
pub struct Known(RefCell<HashMap<String, Link>>);

/// One commit of a chain.
#[derive(Debug, Clone)]
struct Link {
    parents: Vec<String>,
    entry: Result<Arc<Entry>, String>,
}

/// What a store gets, as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct Parcelled {
    place: String,
    payloads: Vec<Payload>,
}

impl Link {
    fn read(commit: &Value) -> Answer<Self> {
        let parents = commit["parents"].as_array().into_iter().flatten().map(|parent| text(parent, "/sha"));
        Ok(Self { parents: parents.collect::<Answer<_>>()?, entry: parse(&text(commit, "/commit/message")?) })
    }

    /// Why this is no entry of keytide's.
    fn fault(&self) -> Option<String> {
        match &self.entry {
            Err(why) => Some(why.clone()),
            Ok(_) if self.parents.len() > 1 => Some("an entry has two predecessors".to_owned()),
            Ok(_) => None,
        }
    }
}

/// The entry in a commit's message, after the line for people.
fn parse(message: &str) -> Result<Arc<Entry>, String> {
    let (_, entry) = message.split_once("\n\n").ok_or("a commit of the journal holds no entry")?;
    Entry::parse(entry.as_bytes()).map(Arc::new)
}

fn message(entry: &Entry) -> String {
    let rendered = entry.render();
    let value: Value = serde_json::from_str(&rendered).unwrap_or_default();
    let event = value["event"].as_str().unwrap_or("entry");
    format!("keytide: {event} ({})\n\n{rendered}", entry.user)
}

impl Service {
    fn journal(&self, user: &str) -> String {
        ids::journal_ref(&self.account, user)
    }

    /// The users of this account that have a journal.
    ///
    /// # Errors
    /// The references cannot be listed.
    pub async fn journals(&self) -> Answer<Vec<String>> {
        let prefix = ids::journal_ref(&self.account, "");
        let whole = format!("refs/{prefix}");
        let found = self.refs(&prefix).await?;
        Ok(found.iter().filter_map(|(name, _)| unescape(name.strip_prefix(&whole)?)).collect())
    }

    /// A commit of a chain; the page that it stands on is remembered.
    async fn link(&self, sha: &str) -> Answer<Link> {
        if let Some(known) = self.known.0.borrow().get(sha) {
            return Ok(known.clone());
        }
        let path = self.in_repository(&format!("commits?sha={}&per_page={PAGE}", part(sha)));
        let answer = self.api.get(&path).await?;
        for commit in answer.as_array().into_iter().flatten() {
            let name = text(commit, "/sha")?;
            let tree = text(commit, "/commit/tree/sha")?;
            self.remember(&name, tree);
            self.known.0.borrow_mut().insert(name, Link::read(commit)?);
        }
        let known = self.known.0.borrow().get(sha).cloned();
        known.ok_or_else(|| Failure::new(Outcome::NotDone, format!("GitHub does not show commit {sha}")))
    }
}

/// A user name out of a reference's; `None` when no user is written so.
fn unescape(name: &str) -> Option<String> {
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
    String::from_utf8(bytes).ok().filter(|user| escape_user_name(user) == name)
}

impl Journals for Service {
    async fn chain(&self, user: &str) -> Answer<Chain> {
        let mut chain = Chain::default();
        let mut next = self.reference(&self.journal(user)).await?;
        let mut resumed = false;
        let mut length = 0;
        while let Some(sha) = next.take() {
            let link = self.link(&sha).await?;
            length += 1;
            let fault = link.fault().or_else(|| (length > MAX_ENTRIES).then(|| "it has no end".to_owned()));
            // What a person has looked at since is no fault any more.
            if let Some(fault) = fault.filter(|_| !resumed) {
                chain.fault = Some(fault);
            }
            if let Ok(entry) = link.entry {
                resumed |= matches!(entry.event, Event::Resumed { .. });
                chain.entries.push((Commit::from(sha), entry));
            }
            next = link.parents.into_iter().next().filter(|_| length <= MAX_ENTRIES);
        }
        chain.entries.reverse();
        Ok(chain)
    }

    async fn append(&self, user: &str, onto: Option<&str>, entry: &Entry, kept: &Kept) -> Answer<Commit> {
        let tree = self.make_tree(None, &files(entry, kept)).await?;
        let message = message(entry);
        let parents: Vec<&str> = onto.into_iter().collect();
        let commit = self.make_commit(&tree, &parents, &message).await?;
        self.put_reference(&self.journal(user), &commit, onto.is_none()).await?;
        let parents = parents.into_iter().map(str::to_owned).collect();
        let link = Link { parents, entry: parse(&message) };
        self.known.0.borrow_mut().insert(commit.clone(), link);
        Ok(commit.into())
    }

    async fn kept(&self, _: &str, commit: &str) -> Answer<Kept> {
        let listing = self.listing(commit).await?;
        let mut kept = Kept::default();
        for (path, entry) in &listing.entries {
            if !entry.is_file() {
                continue;
            }
            let bytes = self.blob(&entry.sha).await?;
            if let Some(path) = path.strip_prefix(FILES) {
                kept.files.insert(path.to_owned(), bytes.to_vec());
            } else if path.starts_with(PAYLOADS) {
                let broken = |error| Failure::new(Outcome::Refused, format!("`{path}` is broken: {error}"));
                let parcelled: Parcelled = serde_json::from_slice(&bytes).map_err(broken)?;
                kept.payloads.insert(parcelled.place, parcelled.payloads);
            } else if path == BASE {
                kept.base = String::from_utf8_lossy(&bytes).trim().to_owned();
            }
        }
        if kept.base.is_empty() {
            return Err(Failure::new(Outcome::Missing, "nothing is kept beside this entry"));
        }
        Ok(kept)
    }
}

/// The tree of an entry.
fn files(entry: &Entry, kept: &Kept) -> Files {
    let mut files: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    files.insert(ENTRY.to_owned(), Some(entry.render().into_bytes()));
    if !kept.base.is_empty() {
        files.insert(BASE.to_owned(), Some(format!("{}\n", kept.base).into_bytes()));
    }
    for (path, bytes) in &kept.files {
        files.insert(format!("{FILES}{path}"), Some(bytes.clone()));
    }
    for (number, (place, payloads)) in kept.payloads.iter().enumerate() {
        let parcelled = Parcelled { place: place.clone(), payloads: payloads.clone() };
        let text = serde_json::to_string_pretty(&parcelled).unwrap_or_default();
        files.insert(format!("{PAYLOADS}{number}.json"), Some(text.into_bytes()));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            version: 1,
            user: "a.b".into(),
            at: "2026-11-21T12:00:00Z".parse().unwrap(),
            run: "7".into(),
            event: Event::Touch,
        }
    }

    #[test]
    fn an_entry_is_read_back_from_its_commits_message() {
        let message = message(&entry());
        assert!(message.starts_with("keytide: touch (a.b)\n\n{"), "{message}");
        assert_eq!(*parse(&message).unwrap(), entry());
        assert_eq!(*parse(message.trim_end()).unwrap(), entry());
        assert!(parse("Merge branch 'x'").is_err());
    }

    #[test]
    fn a_reference_names_one_user() {
        assert_eq!(unescape("a=2Eb").as_deref(), Some("a.b"));
        for wrong in ["a=2eb", "a=2", "a.b", "=C3", "a/b"] {
            assert_eq!(unescape(wrong), None, "{wrong}");
        }
    }
}
