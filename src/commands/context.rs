//! What every command is given: the common options, the environment and the time, and how to print for people.

use std::io::Write;

use jiff::Timestamp;

use super::cli::{ColorChoice, CommonArgs, OutputFormat};
use super::progress::ProgressLine;
use crate::diagnostic::Diagnostic;
use crate::error::{CommandError, ExitStatus};
use crate::report::{KeyIds, ReportFormat};
use crate::repository::{self, RepositoryIdentity};
use crate::sanitize;
use crate::system::environment::ProcessEnvironment;
use crate::system::worktree::WorkTree;
use crate::text_style::{Label, TextStyle};

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
        let colour = self.is_coloured(self.environment.stdout_wants_colour());
        TextStyle { colour, width: self.environment.terminal_width() }
    }

    /// What `--color` says, or what the terminal wants.
    fn is_coloured(&self, by_terminal: bool) -> bool {
        match self.common.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => by_terminal,
        }
    }

    /// The colours and the line length of text on standard error.
    pub fn stderr_style(&self) -> TextStyle {
        let colour = self.is_coloured(self.environment.stderr_wants_colour());
        // The runner would show the escapes that keep a log from starting a workflow command.
        let colour = colour && !self.environment.in_github_actions();
        TextStyle { colour, width: self.environment.stderr_width() }
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
        self.eprint_labelled(Label::Error, "error: ", &error.message);
        if let Some(help) = &error.help {
            self.eprint_labelled(Label::Help, "  help: ", help);
        }
    }

    /// Prints a note on standard error.
    pub fn print_note(&self, text: &str) {
        self.eprint_labelled(Label::Note, "note: ", text);
    }

    /// Prints a message on standard error. On a terminal its lines wrap behind the label.
    fn eprint_labelled(&self, label: Label, word: &str, text: &str) {
        let style = self.stderr_style();
        // Before the colours: beside their codes an access key ID would not be recognised.
        let text = sanitize::escape_lines(&self.mask_if_needed(text));
        let lines: Vec<String> = text.lines().map(|line| style.hang(word.len(), line)).collect();
        self.eprint_styled(&format!("{}{}\n", style.label(label, word), lines.join("\n")));
    }

    /// Prints the errors of a file on standard error.
    pub fn print_diagnostics(&self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            let masked = match self.key_ids() {
                KeyIds::Masked => diagnostic.clone().mask_identifiers(),
                KeyIds::Full => diagnostic.clone(),
            };
            self.eprint_styled(&masked.render(self.stderr_style()));
        }
    }

    /// Prints a text whose parts are masked and escaped already.
    fn eprint_styled(&self, text: &str) {
        self.progress.clear();
        if self.stderr_style().colour {
            write_styled_stderr(text);
        } else {
            write_escaped_stderr(self.environment, text);
        }
    }

    /// Prints a warning on standard error, unless `--quiet` is set.
    #[cfg(feature = "online")]
    pub fn warn(&self, text: &str) {
        if !self.common.quiet {
            self.eprint_labelled(Label::Warning, "warning: ", text);
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
        write_escaped_stderr(self.environment, &self.mask_if_needed(text));
    }

    fn mask_if_needed(&self, text: &str) -> String {
        match self.key_ids() {
            KeyIds::Masked => sanitize::mask_identifiers(text),
            KeyIds::Full => text.to_owned(),
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

/// Writes an error of the command line, before its options are known. It quotes the arguments, so it is escaped first, and
/// its labels are coloured afterwards.
pub fn write_usage_error(environment: &ProcessEnvironment, text: &str) {
    if !environment.stderr_wants_colour() || environment.in_github_actions() {
        return write_escaped_stderr(environment, text);
    }
    let style = TextStyle { colour: true, width: None };
    let labels = [
        ("error:", Label::Error),
        ("  help:", Label::Help),
        ("  tip:", Label::Help),
        ("Usage:", Label::Note),
    ];
    for line in sanitize::escape_lines(text).split_inclusive('\n') {
        let label = labels.into_iter().find(|(word, _)| line.starts_with(word));
        match label {
            Some((word, label)) => {
                write_styled_stderr(&format!("{}{}", style.label(label, word), &line[word.len()..]));
            }
            None => write_styled_stderr(line),
        }
    }
}

/// Writes a text with colours to standard error. Its other parts are escaped already.
pub fn write_styled_stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Writes to standard error. A failure is ignored: there is no other place to report it.
pub fn write_stderr(text: &str) {
    let _ = std::io::stderr().write_all(sanitize::escape_lines(text).as_bytes());
}
