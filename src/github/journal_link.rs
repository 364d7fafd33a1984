//! One commit of a journal: its parents, and the entry in its message.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::api::{list_at, text_at};
use crate::ports::BackendResult;
use crate::rotation::JournalEntry;
use crate::rotation::journal::InvalidEntry;

/// The commits of journals that were read before: they never change.
#[derive(Default)]
pub struct JournalCache(pub(super) RefCell<HashMap<String, ChainLink>>);

/// Why a chain of commits is not a journal of keytide's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    #[error("a commit of the journal holds no entry")]
    NoEntry,
    #[error(transparent)]
    InvalidEntry(#[from] InvalidEntry),
    #[error("an entry has two predecessors")]
    TwoParents,
    #[error("it has no end")]
    Endless,
}

/// One commit of a chain.
#[derive(Debug, Clone)]
pub struct ChainLink {
    pub parents: Vec<String>,
    pub entry: Result<Arc<JournalEntry>, ChainFault>,
}

impl ChainLink {
    pub fn from_commit(commit: &Value) -> BackendResult<Self> {
        let mut parents = Vec::new();
        for parent in list_at(commit, "/parents")? {
            parents.push(text_at(parent, "/sha")?);
        }
        Ok(Self { parents, entry: parse_message(&text_at(commit, "/commit/message")?) })
    }

    /// Why this is not an entry of keytide's.
    pub fn find_fault(&self) -> Option<ChainFault> {
        match &self.entry {
            Err(fault) => Some(fault.clone()),
            Ok(_) if self.parents.len() > 1 => Some(ChainFault::TwoParents),
            Ok(_) => None,
        }
    }
}

/// The entry in a commit's message, after the line for people.
pub fn parse_message(message: &str) -> Result<Arc<JournalEntry>, ChainFault> {
    let (_, entry) = message.split_once("\n\n").ok_or(ChainFault::NoEntry)?;
    Ok(Arc::new(JournalEntry::parse_json(entry.as_bytes())?))
}
