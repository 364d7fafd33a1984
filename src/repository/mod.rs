//! The files of the repository as data: key material in them, CI services, Terraform, lock files, the Git index.
//!
//! Everything here takes bytes. `system::worktree` and `system::scan_files` read them.

mod allow_comment;
pub mod expression;
pub mod file_content;
mod files;
mod git_config;
mod git_index;
mod identity;
mod key_id;
mod lock_file;
mod named_keys;
mod placeholder;
mod scan;
mod static_keys;
mod terraform;
pub mod text_encoding;
mod workflow_dispatch;
mod workflow_secrets;

pub use allow_comment::{AllowComment, MAX_COMMENT_RULES, has_comments};
pub use file_content::FileContent;
pub use files::{RepositoryFiles, ScannedFile, is_lfs_pointer, scan_file};
pub use git_config::config_value;
pub use git_index::{IndexEntry, InvalidIndex, parse_index, parse_listed_entries};
pub use identity::{RepositoryIdentity, origin_repository};
pub use key_id::AccessKeyId;
pub use lock_file::{
    LOCK_FOLDER, LockFile, LockFileError, LockedDestination, STOP_FILE, escape_user_name,
    escaped_user_from_path, lock_file_path,
};
pub use named_keys::{MAX_SEARCHED_BYTES, list_named_keys};
pub use placeholder::{Placeholder, PlaceholderKind, find_placeholders, is_set_up_file};
pub use scan::{
    Cursor, KeyMatch, KeyMaterial, MAX_COMMENTS, MAX_MATCHES, ScanResult, Scanner, WINDOW_MARGIN,
};
pub use static_keys::{
    InheritedSecrets, StaticKey, StaticKeyUse, find_in_part, find_static_keys, is_workflow,
};
pub use terraform::{
    ACCESS_KEY, ManagedKey, ManagedKeys, TerraformUsers, UnreadConfig, find_iam_users, find_managed_keys,
    folder_of, is_terraform, is_terraform_input, mentions_access_key,
};
pub use text_encoding::decode_wide_runs;
pub use workflow_dispatch::{WORKFLOW_FOLDER, find_dispatch_obstacle, workflow_file_name};
pub use workflow_secrets::{JobEnvironment, JobSecrets, read_environment, read_job_secrets};
