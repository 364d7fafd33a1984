//! The fields of an `age` destination in the policy file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::destinations::plaintext::CredentialFormat;
use crate::policy::scalar::FilePath;

/// A whole file encrypted with age.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Age")]
pub struct AgeDestination {
    /// The file.
    pub file: FilePath,
    /// What the file holds when it is decrypted: `dotenv` (`AWS_ACCESS_KEY_ID=`, `AWS_SECRET_ACCESS_KEY=`), `json`
    /// (`{"AccessKeyId": ..., "SecretAccessKey": ...}`) or `ini` (the profile `default` of the AWS command line).
    pub format: CredentialFormat,
    /// The name of the secret access key in the file, in place of the format's own. With `ses_smtp_password`, the file
    /// holds a secret access key only where this names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// The name of the SMTP password beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ses_smtp_password: Option<String>,
    /// Recipients, `age1...`. A plugin is never run.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// A file with one recipient a line; `#` begins a comment.
    pub recipients_file: Option<FilePath>,
}
