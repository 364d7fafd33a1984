//! Renders the pull requests of a rotation: what changes and why, who can decrypt it, what happens next, how to go back.
//!
//! All text from outside is escaped, so that a title or body never contains its markup, links or mentions. Access key IDs
//! are masked, because a full ID reveals the AWS account.

mod data;
mod messages;
mod recipients_section;
mod revert;
mod rotation;
mod schedule;
mod text;

pub use data::PullRequestData;
pub use messages::{DISARM_MESSAGE, commit_message, is_rehearsal, rotation_message};
pub use revert::{RevertedFile, render_revert};
pub use rotation::{render_leak_comment, render_rotation};
pub use text::{MAX_BODY_CHARS, PullRequestText, push_rest, render_to_fit};
