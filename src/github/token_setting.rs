//! Reads what the token of a job without `permissions` may do in a repository, for `keytide migrate`.

use secrecy::SecretString;
use serde_json::Value;

use super::api::{ClientError, build_octocrab, http_builder};
use super::oidc::RepositoryIdError;
use crate::policy::scalar::is_repository;

/// Whether such a token may write.
///
/// # Errors
/// The name is invalid, the token may not read the setting, or GitHub did not answer.
pub async fn read_may_default_token_write(
    api_url: &str,
    token: &SecretString,
    name: &str,
) -> Result<bool, RepositoryIdError> {
    if !is_repository(name) {
        return Err(RepositoryIdError::InvalidName(name.to_owned()));
    }
    let http = http_builder().build().map_err(ClientError::from)?;
    let client = build_octocrab(api_url, token, http)?;
    let path = format!("/repos/{name}/actions/permissions/workflow");
    let found: Value = client.get(&path, None::<&()>).await.map_err(RepositoryIdError::Github)?;
    match found["default_workflow_permissions"].as_str() {
        Some("write") => Ok(true),
        Some("read") => Ok(false),
        _ => Err(RepositoryIdError::NoSetting),
    }
}
