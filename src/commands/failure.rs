//! Why a command ended before it had anything to report.

use super::policy_file::PolicyFileError;
use crate::diagnostic::Diagnostic;
use crate::error::CommandError;

/// An invalid policy file becomes `invalid-policy` findings; any other error becomes a fault.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailure {
    #[error("the policy file is invalid")]
    InvalidPolicy(Vec<Diagnostic>),
    #[error("{error}")]
    Failed {
        /// The policy file that was read before, or empty.
        policy_file: String,
        error: CommandError,
    },
}

impl CommandFailure {
    /// An error after the policy file was read.
    pub fn after_policy(policy_file: &str, error: CommandError) -> Self {
        Self::Failed { policy_file: policy_file.to_owned(), error }
    }
}

impl From<CommandError> for CommandFailure {
    fn from(error: CommandError) -> Self {
        Self::Failed { policy_file: String::new(), error }
    }
}

impl From<PolicyFileError> for CommandFailure {
    fn from(error: PolicyFileError) -> Self {
        match error {
            PolicyFileError::Invalid(diagnostics) => Self::InvalidPolicy(diagnostics),
            other => Self::from(other.into_command_error()),
        }
    }
}
