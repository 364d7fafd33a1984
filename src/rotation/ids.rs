//! What a rotation's things are called: one place, since a name is also how they are found again.

use super::observation::DestinationId;
use crate::repository::escape_user_name;

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

/// A destination's name in the journal.
pub fn destination_id(kind: &str, target: &str) -> DestinationId {
    format!("{kind} {target}").into()
}
