//! Defines what was learnt from AWS and GitHub.

use crate::error::CommandError;
use crate::iam::granted::GrantingAccount;
use crate::migrate::DefaultToken;

/// What was learnt, or why not.
pub struct RemoteFacts {
    pub account: Result<GrantingAccount, CommandError>,
    pub default_token: Result<DefaultToken, CommandError>,
}
