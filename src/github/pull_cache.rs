//! The open pull requests that a run has listed, and what each changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ports::CommitComparison;

/// What was read in this run.
#[derive(Default)]
pub struct ForeignPulls {
    pub(super) listed: RefCell<Option<PullListing>>,
    /// By the head of the default branch and the tip.
    pub(super) compared: RefCell<HashMap<(String, String), CommitComparison>>,
    pub(super) writers: RefCell<HashMap<String, bool>>,
}

/// The open pull requests that were updated since a time.
#[derive(Clone)]
pub struct PullListing {
    pub since: Timestamp,
    pub pulls: Vec<OpenPull>,
}

#[derive(Clone)]
pub struct OpenPull {
    pub number: u64,
    pub touched: Timestamp,
    /// The branch, if it is one of this repository.
    pub own_branch: Option<String>,
    pub unclear_author: Option<Arc<str>>,
    pub tip: String,
}
