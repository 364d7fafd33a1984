//! Writes the messages of the commits on a rotation's branches, and recognises its rehearsal by them.

use super::text::PullRequestText;
use crate::sanitize::escape_line;

/// The title of the pull request that brings the new key.
pub fn rotation_title(user: &str) -> String {
    escape_line(&format!("Rotate the access key of {user}"))
}

/// The title of the pull request that brings the user's first key.
pub fn first_key_title(user: &str) -> String {
    escape_line(&format!("Add the first access key of {user}"))
}

/// The message of the commit behind a pull request.
pub fn commit_message(text: &PullRequestText) -> String {
    message_below_title(&text.title)
}

/// The message of the commit with the new key of a user. It does not depend on the key.
pub fn rotation_message(user: &str) -> String {
    message_below_title(&rotation_title(user))
}

/// The message of the commit that takes the new key out of a branch.
pub const DISARM_MESSAGE: &str = "Take the new access key out of this branch again\n";

/// Whether a branch's commit is the one with which keytide tries a user's branch before it creates a key.
pub fn is_rehearsal(user: &str, message: &str, is_empty: bool) -> bool {
    is_empty && message.trim_end() == rotation_message(user).trim_end()
}

fn message_below_title(title: &str) -> String {
    format!("{title}\n\nMade by keytide; the pull request says what happens next.\n")
}
