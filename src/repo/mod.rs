//! What the files of the repository say: key material, workflows, lock files. Bytes in, facts out.
//!
//! Knows no file system and no git: `clients::repository` hands over what it read.

mod allow;
mod files;
mod git_index;
mod identity;
mod key_id;
mod lock;
mod scan;
mod tree;
mod workflow;

pub use allow::Comment;
pub use files::{Content, FileFacts, Files, is_lfs_pointer, look};
pub use git_index::{Entry as IndexEntry, Unsupported, parse as parse_index};
pub use identity::{Repository, origin};
pub use key_id::{KeyId, digest};
pub use lock::{FOLDER as LOCK_FOLDER, Lock, Locked, escape, lock_file, user_of};
pub use scan::{Cursor, Hit, MARGIN, Material, Scan, Scanner};
pub use tree::documents;
pub use workflow::{StaticKey, is_workflow, static_keys};
