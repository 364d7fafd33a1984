//! The git objects that a run has read from GitHub: commits, trees and blobs, each read once because it never changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

const LINK: &str = "120000";
const SUBMODULE: &str = "160000";
const FOLDER: &str = "040000";

/// What was read before, by the object's name.
#[derive(Default)]
pub struct ObjectCache {
    pub(super) commits: RefCell<HashMap<String, Rc<CommitInfo>>>,
    pub(super) trees: RefCell<HashMap<String, Rc<TreeListing>>>,
    pub(super) blobs: RefCell<HashMap<String, Rc<Vec<u8>>>>,
    /// The access key IDs in the files of a commit, each with the path of such a file.
    pub(super) named_keys: RefCell<HashMap<String, Rc<NamedKeys>>>,
    /// Each commit with one that has it in its history.
    pub(super) ancestors: RefCell<HashSet<(String, String)>>,
}

/// Access key IDs, each with the paths of the files that name it.
pub type NamedKeys = BTreeMap<String, BTreeSet<String>>;

/// The parts of a commit that are used.
#[derive(Debug)]
pub struct CommitInfo {
    pub tree: String,
    pub parents: Vec<String>,
    pub message: String,
}

/// The entries of a tree, by their path.
#[derive(Debug, Default)]
pub struct TreeListing {
    pub entries: BTreeMap<String, TreeEntry>,
    /// GitHub left out entries, because there are too many.
    pub is_truncated: bool,
}

#[derive(Debug, Clone)]
pub struct TreeEntry {
    pub mode: String,
    pub sha: String,
    pub size: u64,
}

impl TreeEntry {
    /// Whether it is a file: no folder, link or submodule.
    pub fn is_file(&self) -> bool {
        ![FOLDER, LINK, SUBMODULE].contains(&self.mode.as_str())
    }

    pub fn is_folder(&self) -> bool {
        self.mode == FOLDER
    }

    /// What it is, if it leads to a place outside the repository's own files.
    pub fn describe_link(&self) -> Option<&'static str> {
        match self.mode.as_str() {
            LINK => Some("a link"),
            SUBMODULE => Some("a submodule"),
            _ => None,
        }
    }
}
