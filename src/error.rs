//! What can go wrong, in the two kinds a caller must tell apart, and the exit codes every command shares.

use std::fmt;

/// The exit code of every command. A script may rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// 0: done, and nothing at or above `--fail-on`.
    Done = 0,
    /// 1: there are findings.
    Findings = 1,
    /// 2: the command line or the policy file is wrong; nothing was changed.
    Invalid = 2,
    /// 3: the work could not be finished; what was learnt is reported and is never taken for a pass.
    Incomplete = 3,
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(exit: ExitStatus) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// A failure of a whole command: what happened and what to try, with the exit code it leads to.
///
/// The texts may quote untrusted input; whoever prints them goes through [`crate::sanitize`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    pub exit: ExitStatus,
    pub message: String,
    pub help: Option<String>,
}

impl CommandError {
    /// The caller asked for something that cannot be: exit code 2.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self { exit: ExitStatus::Invalid, message: what.into(), help: None }
    }

    /// The world did not play along: exit code 3.
    pub fn incomplete(what: impl Into<String>) -> Self {
        Self { exit: ExitStatus::Incomplete, message: what.into(), help: None }
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}
