//! The identifiers of a rotation, and the names of its branches and of its journal. They are built here alone, because a
//! later run finds the branch and the journal again by name.

use std::sync::Arc;

use crate::repository::escape_user_name;

/// An access key ID. It is not a secret.
pub type KeyId = Arc<str>;
/// A destination in the journal: its kind and its target.
pub type DestinationId = Arc<str>;
/// What changes whenever the credential in a destination does: the digest of a file's ciphertext, or the version or
/// modification time of a store's secret.
pub type Fingerprint = Arc<str>;

/// The beginning of a commit's ID, as messages name it.
pub fn shorten_commit(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// The git reference of a user's journal, without the leading `refs/`.
pub fn journal_ref(account: &str, user: &str) -> String {
    format!("keytide/{account}/{}", escape_user_name(user))
}

/// The branch of a user's rotation.
pub fn branch_name(user: &str, number: u32) -> String {
    format!("keytide/{}/{number}", escape_user_name(user))
}

/// The branch that reverts a user's rotation.
pub fn revert_branch_name(user: &str, number: u32) -> String {
    format!("keytide/{}/{number}-revert", escape_user_name(user))
}

/// The branch that brings workflows without the user's key.
pub fn migration_branch_name(user: &str) -> String {
    format!("keytide/{}/migrate", escape_user_name(user))
}

/// The name of a destination in the journal.
pub fn destination_id(kind: &str, target: &str) -> DestinationId {
    format!("{kind} {target}").into()
}
