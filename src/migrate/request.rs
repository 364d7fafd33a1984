//! Defines what a migration is asked for: whose key, which role, and what the repository's settings are.

use super::callees::Callees;
use super::key_secrets::KeySecrets;
use super::permissions::DefaultToken;

/// What is to be done with every workflow.
#[derive(Clone, Copy)]
pub struct MigrationRequest<'r> {
    pub secrets: &'r KeySecrets,
    /// The ARN that workflows get.
    pub role_arn: &'r str,
    /// The role's name, by which a job that assumes it already is known.
    pub role_name: &'r str,
    /// The region for a job that names none.
    pub region: Option<&'r str>,
    pub default_token: DefaultToken,
    /// The called files that come to the role.
    pub callees: &'r Callees,
}
