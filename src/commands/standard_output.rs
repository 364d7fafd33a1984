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
    /// A line of it would start a command in the log of this workflow, or hides or reorders characters.
    pub fn render(&self, context: &Context<'_>) -> Result<String, CommandError> {
        match self {
            Self::Json(document) => Ok(escape_json(&format!("{document:#}"))),
            Self::Code(code) => {
                ensure_inert(code, context.environment.in_github_actions())?;
                Ok(code.clone())
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

fn ensure_inert(code: &str, in_workflow: bool) -> Result<(), CommandError> {
    const HELP: &str = "rename what the line names";
    let hides = |line: &&str| line.chars().any(|c| is_harmful(c) && c != '\t');
    if let Some(line) = code.lines().find(hides) {
        let message = format!("this line has characters that hide or reorder text: {}", quote_line(line));
        return Err(CommandError::invalid(message).with_help(HELP));
    }
    let Some(line) = find_workflow_command(code).filter(|_| in_workflow) else { return Ok(()) };
    let message = format!("this line would start a command in the log of the workflow: {}", quote_line(line));
    Err(CommandError::invalid(message)
        .with_help(format!("{HELP}, or run this command outside of a workflow")))
}

fn quote_line(line: &str) -> String {
    format!("`{}`", shorten(&escape_line(line.trim()), MAX_QUOTED_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_with_a_command_of_a_workflow_is_refused_in_workflows() {
        for code in ["a: b ##[error]c\n", "a: |\n  ::error::c\n"] {
            assert!(ensure_inert(code, true).is_err(), "{code}");
            assert!(ensure_inert(code, false).is_ok(), "{code}");
        }
        assert!(ensure_inert("arn:aws:iam::1:x\n\ta\n", true).is_ok());
        assert!(ensure_inert("a: b\u{202e}c\n", false).is_err());
    }
}
