//! Defines what was learnt from AWS and GitHub.

use std::collections::BTreeSet;

use crate::error::CommandError;
use crate::iam::granted::GrantingAccount;
use crate::migrate::DefaultToken;

/// What was learnt, or why not.
pub struct RemoteFacts {
    pub account: Result<GrantingAccount, CommandError>,
    /// The IDs of the user's access keys.
    pub key_ids: Result<BTreeSet<String>, CommandError>,
    pub default_token: Result<DefaultToken, CommandError>,
}
