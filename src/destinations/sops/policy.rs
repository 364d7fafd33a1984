//! The fields of a `sops` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::destinations::value_names::list_names;
use crate::policy::scalar::FilePath;

/// Values of a file encrypted with SOPS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Sops")]
pub struct SopsDestination {
    /// The file: YAML, JSON, dotenv or INI by its name's ending. A binary file of SOPS is one value and cannot be
    /// rotated.
    pub file: FilePath,
    /// The path of the access key ID in the file, dotted: `aws.access_key_id`, `profiles.0.id`, of a dotenv file the
    /// key.
    pub access_key_id: String,
    /// The path of the secret access key in the file, dotted.
    pub secret_access_key: String,
    /// The path of the SMTP password beside it, dotted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
}

impl SopsDestination {
    /// The paths of the values, that of the access key ID first.
    pub fn value_paths(&self) -> Vec<&str> {
        list_names(&self.access_key_id, &self.secret_access_key, self.ses_smtp_password.as_ref())
    }
}
