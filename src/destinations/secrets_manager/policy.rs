//! The fields of a `secrets_manager` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret of AWS Secrets Manager that holds JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsManager {
    /// The secret's name or ARN.
    pub secret_id: String,
    /// The secret's region.
    pub region: String,
    /// The JSON key of the access key ID.
    pub access_key_id: String,
    /// The JSON key of the secret access key.
    pub secret_access_key: String,
    /// The JSON key of the SMTP password beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
}
