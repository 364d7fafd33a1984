//! The fields of an `ssm_parameter` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parameter of AWS Systems Manager, a SecureString that holds JSON; or a parameter for each value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SsmParameter {
    /// The name of the parameter that holds both as JSON, such as `/app/aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The region.
    pub region: String,
    /// With `json`, the JSON key of the access key ID (`AccessKeyId` if it is not set); else the name of its parameter.
    #[serde(default = "default_access_key_id")]
    pub access_key_id: String,
    /// With `json`, the JSON key of the secret access key (`SecretAccessKey` if it is not set); else the name of its
    /// parameter.
    #[serde(default = "default_secret_access_key")]
    pub secret_access_key: String,
    /// The same of the SMTP password beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
}

/// The names of the fields in JSON, if the policy file names none: as AWS itself calls them.
pub const DEFAULT_NAMES: [&str; 2] = ["AccessKeyId", "SecretAccessKey"];

fn default_access_key_id() -> String {
    DEFAULT_NAMES[0].to_owned()
}

fn default_secret_access_key() -> String {
    DEFAULT_NAMES[1].to_owned()
}
