//! What a report says about one user's rotation.

use jiff::Timestamp;

use crate::rotation::RotationPhase;

/// What one run did for one user, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationLine {
    pub user: String,
    pub phase: RotationPhase,
    /// The steps that were performed.
    pub done: Vec<PerformedStep>,
    /// What a run would do now.
    pub next: Option<String>,
    pub why: String,
    /// What you can do.
    pub help: Option<String>,
    /// Nothing happens before this time.
    pub not_before: Option<Timestamp>,
    /// The rotation waits for what `help` asks; from this time on that is an error.
    pub error_from: Option<Timestamp>,
    /// The open pull request.
    pub pull_request: Option<u64>,
    pub pull_request_url: Option<String>,
    /// The keys of the rotation, each with its last use.
    pub keys: Vec<String>,
    /// The journal entries of the last rotation, where they were asked for.
    pub history: Option<Vec<HistoryLine>>,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// Of the entry, on the journal's reference.
    pub commit: String,
    pub at: Timestamp,
    pub event: String,
    /// The reason, or what the entry is about.
    pub reason: Option<String>,
    /// The entry in a sentence, for people.
    pub text: String,
    pub run: String,
    /// Whether it only coordinates runs: shown to programs alone.
    pub is_bookkeeping: bool,
}

/// A step that a run performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerformedStep {
    pub text: String,
    /// Whether it only coordinates runs (a claim, a heartbeat): shown to programs alone.
    pub is_bookkeeping: bool,
}
