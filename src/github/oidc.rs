//! Reads the repository's numeric ID, and requests the OIDC token that AWS exchanges for credentials.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::api::{ClientError, build_octocrab, encode_segment, http_builder};
use crate::error::CommandError;
use crate::policy::scalar::is_repository;

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
    #[error("{}", describe_error(.0))]
    Github(octocrab::Error),
}

/// The numeric ID of a repository. It changes nothing, so octocrab's typed call is enough here.
///
/// # Errors
/// The name is invalid, or GitHub refused or did not answer.
pub async fn repository_id(
    api_url: &str,
    token: &SecretString,
    name: &str,
) -> Result<u64, RepositoryIdError> {
    // The name becomes a part of the URL, so no character may lead to another one.
    let Some((owner, repository)) = name.split_once('/').filter(|_| is_repository(name)) else {
        return Err(RepositoryIdError::InvalidName(name.to_owned()));
    };
    let http = http_builder().build().map_err(ClientError::from)?;
    let client = build_octocrab(api_url, token, http)?;
    let found = client.repos(owner, repository).get().await.map_err(RepositoryIdError::Github)?;
    Ok(*found.id)
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
    let Some((owner, repository)) = name.split_once('/').filter(|_| is_repository(name)) else {
        return Err(RepositoryIdError::InvalidName(name.to_owned()));
    };
    let http = http_builder().build().map_err(ClientError::from)?;
    let client = build_octocrab(api_url, token, http)?;
    let path = format!("/repos/{owner}/{repository}");
    let found: Value = client.get(&path, None::<&()>).await.map_err(RepositoryIdError::Github)?;
    let (Some(id), Some(owner_id)) = (found["id"].as_u64(), found["owner"]["id"].as_u64()) else {
        return Err(RepositoryIdError::NoNumbers);
    };
    // This needs a permission of its own, and GitHub Enterprise Server does not have all of it.
    let path = format!("{path}/actions/oidc/customization/sub");
    let form: Result<Value, octocrab::Error> = client.get(&path, None::<&()>).await;
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

/// octocrab's own message is "GitHub"; GitHub's message is in the source.
fn describe_error(error: &octocrab::Error) -> String {
    match error {
        octocrab::Error::GitHub { source, .. } => {
            let message = source.message.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{message} ({})", source.status_code)
        }
        other => {
            let cause =
                std::error::Error::source(other).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{other}{cause}")
        }
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
    // A redirect could send the request's token to another host than the runner's.
    let client = http_builder().redirect(reqwest::redirect::Policy::none()).build().map_err(http_failure)?;
    let request = client.get(url).bearer_auth(request_token.expose_secret());
    let reply = request.send().await.map_err(http_failure)?;
    let status = reply.status();
    if !status.is_success() {
        return Err(token_failure(&format!("HTTP {}", status.as_u16())));
    }
    let bytes = reply.bytes().await.map_err(http_failure)?;
    let Ok(reply) = serde_json::from_slice::<TokenReply>(&bytes) else {
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
