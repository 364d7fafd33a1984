//! The environment of the process: variables and terminals, read once at the start.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;

/// The environment variables, and which outputs are terminals. The AWS SDK reads its own variables itself.
#[derive(Clone, Default)]
pub struct ProcessEnvironment {
    variables: BTreeMap<String, String>,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
    stdout_columns: Option<usize>,
    stderr_columns: Option<usize>,
}

impl ProcessEnvironment {
    /// Reads the environment; a variable that is not UTF-8 is left out.
    pub fn from_process() -> Self {
        let mut variables = BTreeMap::new();
        // Not `env::vars`, which panics at a variable that is not UTF-8.
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                variables.insert(name, value);
            }
        }
        Self {
            variables,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            stdout_columns: terminal_size::terminal_size_of(std::io::stdout()).map(count_columns),
            stderr_columns: terminal_size::terminal_size_of(std::io::stderr()).map(count_columns),
        }
    }

    /// An environment of these variables alone.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), ..Self::default() }
    }

    /// Returns the value of a variable. An empty one counts as absent: that is how GitHub passes an input without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Whether a variable has a value that is not empty.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether standard output gets colours.
    pub fn stdout_wants_colour(&self) -> bool {
        self.wants_colour(self.stdout_is_terminal)
    }

    /// Whether standard error gets colours.
    pub fn stderr_wants_colour(&self) -> bool {
        self.wants_colour(self.stderr_is_terminal)
    }

    /// As cargo decides, with the variables of no-color.org and bixense.com/clicolors.
    fn wants_colour(&self, is_terminal: bool) -> bool {
        if self.get("NO_COLOR").is_some() {
            return false;
        }
        if self.is_set("CLICOLOR_FORCE") && self.get("CLICOLOR_FORCE") != Some("0") {
            return true;
        }
        is_terminal && self.get("TERM") != Some("dumb") && self.get("CLICOLOR") != Some("0")
    }

    /// Whether a line on standard error can be rewritten.
    pub fn shows_progress(&self) -> bool {
        self.stderr_is_terminal && self.get("TERM") != Some("dumb") && !self.in_github_actions()
    }

    /// The number of columns of standard output: the variable `COLUMNS`, or the terminal's width; `None` for a file or pipe.
    pub fn terminal_width(&self) -> Option<usize> {
        // The variable first: it is how a test or a user asks for a width.
        self.get("COLUMNS").and_then(|columns| columns.parse().ok()).or(self.stdout_columns)
    }

    /// The number of columns of standard error, as that of standard output.
    pub fn stderr_width(&self) -> Option<usize> {
        self.get("COLUMNS").and_then(|columns| columns.parse().ok()).or(self.stderr_columns)
    }

    /// Whether a GitHub workflow runs this.
    pub fn in_github_actions(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }

    /// The address of GitHub, which a workflow of an Enterprise Server has in its environment.
    pub fn github_server_url(&self) -> &str {
        self.get("GITHUB_SERVER_URL").unwrap_or("https://github.com")
    }
}

fn count_columns((width, _): (terminal_size::Width, terminal_size::Height)) -> usize {
    usize::from(width.0)
}

impl fmt::Debug for ProcessEnvironment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}

/// Returns the arguments of the process.
pub fn command_line_arguments() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}
