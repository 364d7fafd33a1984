//! The fields of an `ssm_parameter` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parameter of AWS Systems Manager: a SecureString that holds JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SsmParameter {
    /// The parameter's name, such as `/app/aws`.
    pub json: String,
    /// The parameter's region.
    pub region: String,
    /// The JSON key of the access key ID; `AccessKeyId` if it is not set.
    #[serde(default = "default_access_key_id")]
    pub access_key_id: String,
    /// The JSON key of the secret access key; `SecretAccessKey` if it is not set.
    #[serde(default = "default_secret_access_key")]
    pub secret_access_key: String,
}

fn default_access_key_id() -> String {
    "AccessKeyId".to_owned()
}

fn default_secret_access_key() -> String {
    "SecretAccessKey".to_owned()
}
