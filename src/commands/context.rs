//! What every command is given: the common options, the environment and the time, and how to print for people.

use std::io::Write;

use jiff::Timestamp;

use super::cli::{ColorChoice, CommonArgs, OutputFormat};
use super::progress::ProgressLine;
use crate::error::{CommandError, ExitStatus};
use crate::report::{KeyIds, ReportFormat, TextStyle};
use crate::repository::{self, RepositoryIdentity};
use crate::sanitize;
use crate::system::environment::ProcessEnvironment;
use crate::system::worktree::WorkTree;

/// The input of a command beside its own arguments.
pub struct Context<'a> {
    pub common: &'a CommonArgs,
    pub environment: &'a ProcessEnvironment,
    pub now: Timestamp,
    /// The line on a terminal that says what the command waits for.
    pub progress: &'a ProgressLine,
}

impl Context<'_> {
    /// The format of standard output.
    pub fn output_format(&self) -> ReportFormat {
        let default =
            if self.environment.in_github_actions() { ReportFormat::Github } else { ReportFormat::Text };
        match self.common.format {
            Some(OutputFormat::Report(format)) => format,
            Some(OutputFormat::SetUp(_) | OutputFormat::Fleet(_)) | None => default,
        }
    }

    /// How access key IDs are shown.
    pub fn key_ids(&self) -> KeyIds {
        // Logs of public repositories are public, and a full ID reveals the AWS account.
        let default = if self.environment.in_github_actions() { KeyIds::Masked } else { KeyIds::Full };
        self.common.key_ids.unwrap_or(default)
    }

    /// The colours and the line length of text on standard output.
    pub fn text_style(&self) -> TextStyle {
        let colour = match self.common.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => self.environment.wants_colour(),
        };
        TextStyle { colour, width: self.environment.terminal_width() }
    }

    /// `OWNER/NAME` from `--repository`, the workflow's environment or the remote `origin`.
    pub fn repository_name(&self) -> Option<String> {
        let given = self.common.repository.as_deref().or(self.environment.get("GITHUB_REPOSITORY"));
        if let Some(name) = given {
            return Some(name.to_owned());
        }
        repository::origin_repository(WorkTree::find_repository(self.environment).config_text())
    }

    /// The repository as flags and environment name it, without a request.
    pub fn repository_identity(&self) -> RepositoryIdentity {
        // GITHUB_REPOSITORY_ID belongs to GITHUB_REPOSITORY, not to another repository that the flag names.
        let named = self.common.repository.as_deref();
        let is_same = named.is_none() || named == self.environment.get("GITHUB_REPOSITORY");
        let id = if is_same { self.environment.get("GITHUB_REPOSITORY_ID") } else { None };
        RepositoryIdentity { name: self.repository_name(), id: id.and_then(|id| id.parse().ok()) }
    }

    /// Prints an error and its help on standard error.
    pub fn print_error(&self, error: &CommandError) {
        self.eprint_labelled("error: ", &error.message);
        if let Some(help) = &error.help {
            self.eprint_labelled("  help: ", help);
        }
    }

    /// Prints a note on standard error.
    pub fn print_note(&self, text: &str) {
        self.eprint_labelled("note: ", text);
    }

    /// Prints a message on standard error. On a terminal its lines wrap behind the label.
    fn eprint_labelled(&self, label: &str, text: &str) {
        let style = TextStyle { colour: false, width: self.environment.stderr_width() };
        let lines: Vec<String> = text.lines().map(|line| style.hang(label.len(), line)).collect();
        self.eprint(&format!("{label}{}\n", lines.join("\n")));
    }

    /// Prints a warning on standard error, unless `--quiet` is set.
    #[cfg(feature = "online")]
    pub fn warn(&self, text: &str) {
        if !self.common.quiet {
            self.eprint_labelled("warning: ", text);
        }
    }

    /// Prints a line on standard error if `--verbose` is set.
    #[cfg(feature = "online")]
    pub fn print_verbose(&self, text: &str) {
        if self.common.verbose {
            self.eprint(&format!("{text}\n"));
        }
    }

    /// Prints text on standard error, with access key IDs shown as in a report.
    pub fn eprint(&self, text: &str) {
        self.progress.clear();
        match self.key_ids() {
            KeyIds::Masked => write_escaped_stderr(self.environment, &sanitize::mask_key_ids(text)),
            KeyIds::Full => write_escaped_stderr(self.environment, text),
        }
    }
}

/// Writes to standard output. A reader that closes the pipe early (`| head`) is not an error.
pub fn write_stdout(text: &str) -> ExitStatus {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            write_stderr(&format!("error: standard output: {error}\n"));
            ExitStatus::Incomplete
        }
        _ => ExitStatus::Done,
    }
}

/// Writes to standard error; in a workflow's log no line of the text can start a workflow command.
pub fn write_escaped_stderr(environment: &ProcessEnvironment, text: &str) {
    if environment.in_github_actions() {
        write_stderr(&sanitize::escape_workflow_log(text));
    } else {
        write_stderr(text);
    }
}

/// Writes to standard error. A failure is ignored: there is no other place to report it.
pub fn write_stderr(text: &str) {
    let _ = std::io::stderr().write_all(sanitize::escape_lines(text).as_bytes());
}
