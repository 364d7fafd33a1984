//! The exit codes that all commands share, and the error that ends a command.

/// The exit code of every command. A script may rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// 0: the command finished and found nothing at or above `--fail-on`.
    Done = 0,
    /// 1: there are findings.
    Findings = 1,
    /// 2: the command line, the environment or the policy file is invalid; nothing was changed.
    Invalid = 2,
    /// 3: the command could not finish. What it read is reported and never counts as a pass.
    Incomplete = 3,
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(exit: ExitStatus) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// The operation of an error in the arguments or in a file that an argument names.
pub const COMMAND_LINE: &str = "command-line";
/// The operation of an error in the environment: variables, credentials, the workflow that runs.
pub const ENVIRONMENT: &str = "environment";
/// The operation of a fault in the facts about a rotation.
pub const READING_ROTATION: &str = "reading the rotation";

/// An error that ends a whole command: what happened, what to try, and the exit code.
///
/// The texts may quote untrusted input; callers print them through [`crate::sanitize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    pub exit: ExitStatus,
    /// What failed, for the field `operation` of a JSON fault; `None` for the command itself.
    pub operation: Option<&'static str>,
    pub message: String,
    pub help: Option<String>,
}

impl CommandError {
    /// The arguments are invalid: exit code 2.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Invalid, Some(COMMAND_LINE), message.into())
    }

    /// The environment is not one in which the command can run: exit code 2.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Invalid, Some(ENVIRONMENT), message.into())
    }

    /// There are no credentials or no token: nothing could be read, exit code 3.
    pub fn missing_credential(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Incomplete, Some(ENVIRONMENT), message.into())
    }

    /// An external service or the system failed: exit code 3.
    pub fn incomplete(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Incomplete, None, message.into())
    }

    fn new(exit: ExitStatus, operation: Option<&'static str>, message: String) -> Self {
        Self { exit, operation, message, help: None }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
