//! The fields of a `vault` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::scalar::FilePath;

/// A secret of a key-value store, version 2, of Vault or OpenBao.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// The server, such as `https://vault.example.com:8200`.
    pub address: String,
    /// The path at which the key-value store is mounted.
    #[serde(default = "default_mount")]
    pub mount: String,
    /// The secret's path below the mount, without `data/`.
    pub path: String,
    /// The secret's field with the access key ID.
    pub access_key_id: String,
    /// The secret's field with the secret access key.
    pub secret_access_key: String,
    /// The secret's field with the SMTP password beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
    /// The role that a workflow logs in to with GitHub's OIDC token. Without it, `VAULT_TOKEN` is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The path at which the JWT authentication of that role is mounted.
    #[serde(default = "default_auth")]
    pub auth: String,
    /// The audience of the OIDC token; `address` if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The namespace that holds both mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A file of the default branch with the authority that issued the server's certificate, PEM; the system's
    /// authorities if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<FilePath>,
}

fn default_mount() -> String {
    "secret".to_owned()
}

fn default_auth() -> String {
    "jwt".to_owned()
}
