//! The fields of a `github_secret` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Secrets of GitHub.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubSecret {
    /// `OWNER/NAME`.
    pub repository: Option<String>,
    /// An organization, instead of a repository.
    pub organization: Option<String>,
    /// An environment of the repository.
    pub environment: Option<String>,
    /// Which of GitHub's products reads it.
    #[serde(default)]
    pub product: GithubProduct,
    /// The name of the secret with the access key ID.
    pub access_key_id: Option<String>,
    /// The name of the secret with the secret access key; with `json`, its name in the JSON (`SecretAccessKey` if it is
    /// not set).
    pub secret_access_key: Option<String>,
    /// The name of the secret with the SMTP password beside it; with `json`, its name in the JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
    /// Instead of a secret for each value: the name of one secret that holds all as JSON (`AccessKeyId`,
    /// `SecretAccessKey`), the only atomic way.
    pub json: Option<String>,
}

/// Which of GitHub's products reads a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum GithubProduct {
    #[default]
    Actions,
    Dependabot,
    Codespaces,
}
