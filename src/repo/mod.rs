//! What is known of the repository that keytide runs for.

mod identity;

pub use identity::{Repository, origin};
