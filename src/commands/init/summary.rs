//! What `keytide init` learns from the AWS account.

use crate::report::starter_policy::CandidateUser;

/// The account and its users that have access keys; empty without credentials.
#[derive(Default)]
pub struct AccountSummary {
    pub account: Option<String>,
    pub users: Vec<CandidateUser>,
}
