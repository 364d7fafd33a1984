//! Defines what a migration is asked for: whose key, which role, and what the repository's settings are.

use super::key_secrets::KeySecrets;
use super::permissions::DefaultToken;

/// What is to be done with every workflow.
pub struct MigrationRequest<'r> {
    pub secrets: &'r KeySecrets,
    /// The ARN that workflows get.
    pub role_arn: &'r str,
    /// The role's name, by which a job that assumes it already is known.
    pub role_name: &'r str,
    /// The region for a job that names none.
    pub region: Option<&'r str>,
    pub default_token: DefaultToken,
}
