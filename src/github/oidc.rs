//! GitHub: the repository's numeric ID, and the OIDC token that AWS takes for credentials.

use std::time::Duration;

use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};

use crate::error::CommandError;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The numeric ID of a repository.
///
/// # Errors
/// GitHub did not tell; the sentence says why.
pub async fn repository_id(api_url: &str, token: &SecretString, name: &str) -> Result<u64, String> {
    let (owner, repository) = name.split_once('/').ok_or_else(|| format!("`{name}` is not OWNER/NAME"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(|c| plain(c) || c == '/') || repository.contains('/') {
        return Err(format!("`{name}` is not OWNER/NAME"));
    }
    let client = Octocrab::builder()
        .base_uri(api_url)
        .map_err(|_| format!("`{api_url}` is no address"))?
        .personal_token(token.clone())
        .build_with_reqwest(http_client()?)
        .map_err(|error| describe_error(&error))?;
    let found = client.repos(owner, repository).get().await.map_err(|error| describe_error(&error))?;
    Ok(*found.id)
}

/// octocrab's own words are "GitHub"; what GitHub said is one level down.
fn describe_error(error: &octocrab::Error) -> String {
    match error {
        octocrab::Error::GitHub { source, .. } => format!("{} ({})", source.message, source.status_code),
        other => {
            let cause =
                std::error::Error::source(other).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{other}{cause}")
        }
    }
}

/// Asks GitHub for a token that says which workflow this is, meant for AWS.
///
/// # Errors
/// The workflow may not have one, or GitHub does not answer.
pub async fn oidc_token(
    request_url: &str,
    request_token: &SecretString,
    audience: &str,
) -> Result<SecretString, CommandError> {
    #[derive(serde::Deserialize)]
    struct TokenReply {
        value: String,
    }
    let failed = |why: String| {
        CommandError::incomplete(format!("GitHub gave no OIDC token: {why}"))
            .with_help("does the job have `permissions: id-token: write`?")
    };
    let url = format!("{request_url}&audience={audience}");
    let request = http_client().map_err(failed)?.get(url).bearer_auth(request_token.expose_secret());
    let answer = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(failed(format!("HTTP {}", status.as_u16())));
    }
    let bytes = answer.bytes().await.map_err(|error| failed(error.without_url().to_string()))?;
    let answer: TokenReply =
        serde_json::from_slice(&bytes).map_err(|_| failed("the answer holds no token".to_owned()))?;
    Ok(answer.value.into())
}

fn http_client() -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("keytide/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT);
    builder.build().map_err(|error| error.to_string())
}
