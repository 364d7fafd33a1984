//! What the files of the repository say: key material, workflows, lock files. Bytes in, facts out.
//!
//! Knows no file system and no git: `system::worktree` hands over what it read.

mod allow_comment;
mod files;
mod git_index;
mod identity;
mod key_id;
mod lock_file;
mod scan;
mod workflow;

pub use allow_comment::AllowComment;
pub use files::{FileContent, RepositoryFiles, ScannedFile, is_lfs_pointer, scan_file};
pub use git_index::{IndexEntry, UnsupportedIndex, parse_index};
pub use identity::{RepositoryIdentity, origin_repository};
pub use key_id::AccessKeyId;
pub use lock_file::{
    LOCK_FOLDER, LockFile, LockedDestination, escape_user_name, escaped_user_from_path, lock_file_path,
};
pub use scan::{Cursor, KeyMatch, KeyMaterial, ScanResult, Scanner, WINDOW_MARGIN};
pub use workflow::{StaticKey, find_static_keys, is_workflow};
