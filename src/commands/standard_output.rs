//! Prints a result on standard output so that no name in it starts a command in the log of a workflow.
//!
//! Text for people is escaped, JSON spells such characters otherwise, and a script or a template, whose meaning an escape
//! would change, is refused. Reports are escaped by their formats (`report`).

use super::context::{Context, write_stdout};
use crate::error::{CommandError, ExitStatus};
use crate::sanitize::{
    escape_json, escape_line, escape_workflow_log, find_workflow_command, is_harmful, shorten,
};
use crate::text_style::TextStyle;

/// The longest part of a refused line that is quoted.
const MAX_QUOTED_CHARS: usize = 100;

/// A machine-readable result.
#[derive(Debug)]
pub enum MachineText {
    Json(serde_json::Value),
    /// A script, a template or a configuration.
    Code(String),
}

impl MachineText {
    /// The text to print.
    ///
    /// # Errors
    /// A line of it hides or reorders characters, or would start a command in the log of this workflow.
    pub fn render(self, context: &Context<'_>) -> Result<String, CommandError> {
        match self {
            Self::Json(document) => Ok(escape_json(&format!("{document:#}"))),
            Self::Code(code) => {
                ensure_visible(&code)?;
                if context.environment.in_github_actions() {
                    ensure_inert(&code)?;
                }
                Ok(code)
            }
        }
    }
}

/// Prints text for people, or a table for a spreadsheet. In a workflow it has no colours.
pub fn print_escaped(context: &Context<'_>, render: impl FnOnce(TextStyle) -> String) -> ExitStatus {
    if context.environment.in_github_actions() {
        return write_stdout(&escape_workflow_log(&render(TextStyle::default())));
    }
    write_stdout(&render(context.text_style()))
}

/// Refuses code that does something else than what its reader sees.
fn ensure_visible(code: &str) -> Result<(), CommandError> {
    let Some(line) = code.lines().find(|line| line.chars().any(|c| is_harmful(c) && c != '\t')) else {
        return Ok(());
    };
    let message = format!("this line has characters that hide or reorder text: {}", quote_line(line));
    Err(CommandError::invalid(message).with_help("rename what the line names"))
}

fn ensure_inert(code: &str) -> Result<(), CommandError> {
    let Some(line) = find_workflow_command(code) else { return Ok(()) };
    let message = format!("this line would start a command in the log of the workflow: {}", quote_line(line));
    let help = "rename what the line names, or run this command outside of a workflow";
    Err(CommandError::invalid(message).with_help(help))
}

fn quote_line(line: &str) -> String {
    format!("`{}`", shorten(&escape_line(line.trim()), MAX_QUOTED_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_with_a_command_of_a_workflow_is_not_inert() {
        for code in ["a: b ##[error]c\n", "a: |\n  ::error::c\n"] {
            assert!(ensure_inert(code).is_err(), "{code}");
        }
        assert!(ensure_inert("arn:aws:iam::1:x\n\ta\n").is_ok());
    }

    #[test]
    fn code_that_shows_something_else_is_refused() {
        for code in ["a: b\u{202e}c\n", "a: b\u{9b}31m\n", "a: \u{1b}[8m\n"] {
            assert!(ensure_visible(code).is_err(), "{code:?}");
        }
        assert!(ensure_visible("a: b\n\tc: prod-\u{fc}\n").is_ok());
    }
}
