//! Reads the policy files that are built into `keytide demo`.

use crate::policy::{Policy, PolicySource, read_policy};
use crate::repository::FileContent;
use crate::rules;
use crate::text_style::TextStyle;

/// Why a sample that is built in cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("{0}")]
    Policy(String),
    #[error("{0}")]
    Account(#[from] serde_yaml::Error),
}

/// Reads the text of a policy file without a base file of its own.
///
/// # Errors
/// The policy file has errors.
pub fn read_sample_policy(text: &str) -> Result<Policy, SampleError> {
    let source =
        PolicySource { file: "keytide.yml", bytes: text.as_bytes(), read_base: &|_| FileContent::Absent };
    read_policy(&source, &rules::exemptible_rules()).map_err(|diagnostics| {
        SampleError::Policy(
            diagnostics.iter().map(|diagnostic| diagnostic.render(TextStyle::default())).collect(),
        )
    })
}
