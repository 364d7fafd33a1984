//! The fields of a `sealed_secret` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::scalar::FilePath;

/// Items of a SealedSecret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    /// The manifest.
    pub file: FilePath,
    /// The controller's certificate, PEM.
    pub certificate: FilePath,
    /// The item with the access key ID.
    pub access_key_id: String,
    /// The item with the secret access key.
    pub secret_access_key: String,
    /// The item with the SMTP password beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
}
