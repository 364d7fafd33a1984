//! The environment of the process, read once.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;

/// Variables and terminals. The AWS SDK reads its own variables (credentials, profile, proxy) itself.
#[derive(Clone, Default)]
pub struct ProcessEnvironment {
    variables: BTreeMap<String, String>,
    /// Whether standard output, and standard error, are a person's terminal.
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
}

impl ProcessEnvironment {
    /// Takes what is there; a variable that is no UTF-8 is left out.
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// The value of a variable; an empty one counts as absent, as GitHub hands over inputs that were not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Whether standard output is a terminal for which nothing turned colours off.
    pub fn wants_colour(&self) -> bool {
        self.stdout_is_terminal && self.get("NO_COLOR").is_none()
    }

    /// Whether a GitHub workflow runs this.
    pub fn in_github_actions(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }
}

impl fmt::Debug for ProcessEnvironment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}

/// The command line.
pub fn command_line_arguments() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}
