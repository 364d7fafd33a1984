//! Reads what the token of a job without `permissions` may do in a repository, for `keytide migrate`.

use secrecy::SecretString;

use super::oidc::{RepositoryIdError, read_about_repository, reading_api};

/// Whether such a token may write.
///
/// # Errors
/// The name is invalid, the token may not read the setting, or GitHub did not answer.
pub async fn read_may_default_token_write(
    api_url: &str,
    token: &SecretString,
    name: &str,
) -> Result<bool, RepositoryIdError> {
    let api = reading_api(api_url, token)?;
    let found = read_about_repository(&api, name, "/actions/permissions/workflow").await?;
    match found["default_workflow_permissions"].as_str() {
        Some("write") => Ok(true),
        Some("read") => Ok(false),
        _ => Err(RepositoryIdError::NoSetting),
    }
}
