//! Reads the repository's numeric ID, and requests the OIDC token that AWS exchanges for credentials.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::api::{ClientError, GithubApi, GithubError, HttpMethod, RetryPolicy, http_builder};
use super::reply_body::read_body;
use crate::error::CommandError;
use crate::policy::scalar::is_repository;
use crate::system::server_time::ServerTime;
use crate::url_encoding::encode_segment;

/// Why the repository's ID is not known.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryIdError {
    #[error("`{0}` is not OWNER/NAME")]
    InvalidName(String),
    #[error("the reply has no ID")]
    NoNumbers,
    #[error("the reply has no setting")]
    NoSetting,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{}", .0.what)]
    Github(GithubError),
}

impl From<GithubError> for RepositoryIdError {
    fn from(error: GithubError) -> Self {
        Self::Github(error)
    }
}

/// Reads what GitHub knows of a repository, at an endpoint below it, or of the repository itself.
///
/// # Errors
/// The name is invalid, or GitHub refused or did not answer.
pub async fn read_about_repository(
    api: &GithubApi,
    name: &str,
    endpoint: &str,
) -> Result<Value, RepositoryIdError> {
    // The name becomes a part of the URL, so no character may lead to another one.
    if !is_repository(name) {
        return Err(RepositoryIdError::InvalidName(name.to_owned()));
    }
    // Once: every command goes on without the answer, so none waits longer than for one request.
    Ok(api.send_request(HttpMethod::Get, &format!("/repos/{name}{endpoint}"), RetryPolicy::Never).await?)
}

/// A client for a few reads, which need no clock of their own.
///
/// # Errors
/// The URL is invalid.
pub fn reading_api(api_url: &str, token: &SecretString) -> Result<GithubApi, ClientError> {
    GithubApi::new(api_url, token, Arc::new(ServerTime::new(None)))
}

/// The numeric ID of a repository.
///
/// # Errors
/// The name is invalid, or GitHub refused or did not answer.
pub async fn repository_id(
    api_url: &str,
    token: &SecretString,
    name: &str,
) -> Result<u64, RepositoryIdError> {
    let found = read_about_repository(&reading_api(api_url, token)?, name, "").await?;
    found["id"].as_u64().ok_or(RepositoryIdError::NoNumbers)
}

/// How the OIDC tokens of a repository name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSubject {
    pub owner_id: u64,
    pub id: u64,
    /// Whether the IDs are in the subject; `None`: GitHub does not say.
    pub is_immutable: Option<bool>,
    pub default_branch: Option<String>,
}

/// Reads the numbers of a repository and the form of its subject.
///
/// # Errors
/// As for [`repository_id`].
pub async fn read_subject(
    api_url: &str,
    token: &SecretString,
    name: &str,
) -> Result<TokenSubject, RepositoryIdError> {
    let api = reading_api(api_url, token)?;
    let found = read_about_repository(&api, name, "").await?;
    let (Some(id), Some(owner_id)) = (found["id"].as_u64(), found["owner"]["id"].as_u64()) else {
        return Err(RepositoryIdError::NoNumbers);
    };
    // This needs a permission of its own, and GitHub Enterprise Server does not have all of it.
    let form = read_about_repository(&api, name, "/actions/oidc/customization/sub").await;
    let is_immutable = form.ok().and_then(|form| is_subject_immutable(&form));
    let default_branch = found["default_branch"].as_str().map(str::to_owned);
    Ok(TokenSubject { owner_id, id, is_immutable, default_branch })
}

/// The prefix of the subject is what the tokens have. The other field is the setting that leads to it, and does not say
/// what a repository has for which nothing was set.
fn is_subject_immutable(form: &Value) -> Option<bool> {
    match form["sub_claim_prefix"].as_str().and_then(|prefix| prefix.strip_prefix("repo:")) {
        Some(name) => Some(name.contains('@')),
        None => form["use_immutable_subject"].as_bool().filter(|is_set| *is_set),
    }
}

/// Requests a token that proves to a service which workflow this is.
///
/// # Errors
/// The workflow has no permission for one, or GitHub does not answer.
pub async fn oidc_token(
    request_url: &str,
    request_token: &SecretString,
    audience: &str,
) -> Result<SecretString, CommandError> {
    #[derive(serde::Deserialize)]
    struct TokenReply {
        value: String,
    }
    let url = format!("{request_url}&audience={}", encode_segment(audience));
    let client = http_builder(&url).build().map_err(http_failure)?;
    let request = client.get(url).bearer_auth(request_token.expose_secret());
    let reply = request.send().await.map_err(http_failure)?;
    let status = reply.status();
    if !status.is_success() {
        return Err(token_failure(&format!("HTTP {}", status.as_u16())));
    }
    let body = read_body(reqwest::Body::from(reply)).await.map_err(|why| token_failure(&why.to_string()))?;
    let Ok(reply) = serde_json::from_str::<TokenReply>(&body) else {
        return Err(token_failure("the answer holds no token"));
    };
    Ok(reply.value.into())
}

fn http_failure(error: reqwest::Error) -> CommandError {
    // The URL may contain a token.
    token_failure(&error.without_url().to_string())
}

fn token_failure(why: &str) -> CommandError {
    CommandError::incomplete(format!("GitHub gave no OIDC token: {why}"))
        .with_help("does the job have `permissions: id-token: write`?")
}
