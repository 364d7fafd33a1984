//! Finds and reads the policy file, for all commands.

use std::path::Path;

use super::context::Context;
use crate::diagnostic::Diagnostic;
use crate::error::CommandError;
use crate::policy::{self, MAX_BYTES, Policy};
use crate::repository::FileContent;
use crate::rules;
use crate::system::worktree::WorkTree;

/// Where a policy file is searched, in this order.
pub const DEFAULT_PATHS: [&str; 4] =
    [".github/keytide.yml", ".github/keytide.yaml", "keytide.yml", "keytide.yaml"];

/// Why there is no policy. Only [`PolicyFileError::Invalid`] is a mistake in the file.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    #[error("there is no policy file: looked for {}", DEFAULT_PATHS.join(", "))]
    NotFound,
    #[cfg(feature = "online")]
    #[error("there is no policy file on the default branch: looked for {}", DEFAULT_PATHS.join(", "))]
    NotCommitted,
    #[error("{file} cannot be read: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("{file} lists no IAM users, so only `keytide check` can use it")]
    NoUsers { file: String },
    #[error("the policy file is invalid")]
    Invalid(Vec<Diagnostic>),
}

impl PolicyFileError {
    /// The same as an error of the command.
    pub fn into_command_error(self) -> CommandError {
        let error = CommandError::invalid(self.to_string());
        match self {
            Self::NotFound => error.with_help(
                "`keytide init` writes a starter policy file; `keytide explain policy` prints one with all fields",
            ),
            #[cfg(feature = "online")]
            Self::NotCommitted => {
                error.with_help("commands that write follow the committed policy file: commit and push it first")
            }
            Self::Unreadable { .. } => error.with_help("check the file, or name another one with `--policy FILE`"),
            Self::NoUsers { .. } => error.with_help("add the users whose keys this repository owns under `users`"),
            Self::Invalid(_) => error,
        }
    }
}

/// Reads the policy file of this run: the one that `--policy` names, or the repository's first at [`DEFAULT_PATHS`].
pub fn load_policy(context: &Context<'_>) -> Result<Policy, PolicyFileError> {
    let tree = WorkTree::find_repository(context.environment);
    let policy = load_repository_policy(context, &tree, &|path| tree.read_content(path))?;
    policy.ok_or(PolicyFileError::NotFound)
}

/// The same for a command that would pass over a policy without users as if all were well.
pub fn load_policy_with_users(context: &Context<'_>) -> Result<Policy, PolicyFileError> {
    let policy = load_policy(context)?;
    if policy.has_users() { Ok(policy) } else { Err(PolicyFileError::NoUsers { file: policy.file }) }
}

/// Reads the policy file of a repository; `None` if it has none. `read` opens the repository's files by their path
/// from its root. A file that `--policy` names is read from the file system instead, relative to the working folder.
pub fn load_repository_policy(
    context: &Context<'_>,
    tree: &WorkTree,
    read: &dyn Fn(&Path) -> FileContent,
) -> Result<Option<Policy>, PolicyFileError> {
    match &context.common.policy {
        Some(named) => load_policy_with(Some(named), &|path| tree.read_named(path, MAX_BYTES)),
        None => load_policy_with(None, read),
    }
}

/// Reads the policy file of a repository; a file that is named is one of the repository too.
pub fn load_policy_with(
    named: Option<&str>,
    read: &dyn Fn(&Path) -> FileContent,
) -> Result<Option<Policy>, PolicyFileError> {
    let first_existing =
        || DEFAULT_PATHS.into_iter().find(|path| read(Path::new(path)) != FileContent::Absent);
    let Some(file) = named.or_else(first_existing) else { return Ok(None) };
    read_policy(file, read).map(Some)
}

/// Checks that a policy that names an account is applied to that account only.
pub fn ensure_account_matches(policy: &Policy, account: &str) -> Result<(), CommandError> {
    match &policy.account {
        Some(wanted) if wanted.0 != account => {
            let message = format!("this is account {account}, and the policy is for account {}", wanted.0);
            Err(CommandError::environment(message)
                .with_help("use credentials of that account, or correct `account` in the policy file"))
        }
        _ => Ok(()),
    }
}

fn read_policy(file: &str, read: &dyn Fn(&Path) -> FileContent) -> Result<Policy, PolicyFileError> {
    let reason = match read(Path::new(file)) {
        FileContent::Bytes(bytes) => {
            return policy::read_policy_with_bases(file, &bytes, read, &rules::exemptible_rules())
                .map_err(PolicyFileError::Invalid);
        }
        FileContent::Absent => "it does not exist".to_owned(),
        FileContent::Unreadable(reason) => reason,
    };
    Err(PolicyFileError::Unreadable { file: file.to_owned(), reason })
}
