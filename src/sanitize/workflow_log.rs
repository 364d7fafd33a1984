//! Escapes text for the log of a workflow, whose runner takes some lines for commands, and finds such lines.

use super::terminal::{escape_line, escape_lines};

/// The form of a command that the runner takes anywhere in a line (actions/runner, `ActionCommand.cs`).
const COMMAND_ANYWHERE: &str = "##[";
/// The form of a command that the runner takes at the start of a line, also behind blanks.
const COMMAND_AT_START: &str = "::";

/// Text for the log of a workflow: no line of it starts a command.
pub fn escape_workflow_log(text: &str) -> String {
    text.split('\n').map(escape_workflow_log_line).collect::<Vec<_>>().join("\n")
}

fn escape_workflow_log_line(text: &str) -> String {
    let text = escape_line(text).replace(COMMAND_ANYWHERE, "# #[");
    if text.trim_start().starts_with(COMMAND_AT_START) {
        text.replacen(COMMAND_AT_START, ": :", 1)
    } else {
        text
    }
}

/// The first line of a text that would start a command in the log of a workflow, for texts in which an escape would change
/// the meaning.
pub fn find_workflow_command(text: &str) -> Option<&str> {
    let mut lines = text.split(['\n', '\r']);
    lines.find(|line| line.contains(COMMAND_ANYWHERE) || line.trim_start().starts_with(COMMAND_AT_START))
}

/// The message of a workflow command (`::error::MESSAGE`), escaped as GitHub's toolkit does.
pub fn escape_workflow_data(text: &str) -> String {
    let text = escape_lines(text).replace(COMMAND_ANYWHERE, "# #[");
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command (`::error file=PROPERTY::`).
pub fn escape_workflow_property(text: &str) -> String {
    escape_workflow_data(&escape_line(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_finds_no_command_in_a_log_line() {
        assert_eq!(escape_workflow_log("  ::error::x"), "  : :error::x");
        assert_eq!(escape_workflow_log("x ##[error]y\n::set-env::z"), "x # #[error]y\n: :set-env::z");
        assert_eq!(escape_workflow_log("a::b"), "a::b");
    }

    #[test]
    fn a_command_is_found_where_the_runner_finds_it() {
        for (text, line) in [
            ("a\n \t\u{a0}::error::x\nb", Some(" \t\u{a0}::error::x")),
            ("a\rx ##[error]y", Some("x ##[error]y")),
            ("a::b\n# #[c]\n: :d", None),
        ] {
            assert_eq!(find_workflow_command(text), line, "{text:?}");
            assert_eq!(find_workflow_command(&escape_workflow_log(text)), None, "{text:?}");
        }
    }

    #[test]
    fn a_workflow_command_keeps_to_its_message() {
        assert_eq!(escape_workflow_data("50%\n::error::x"), "50%25%0A::error::x");
        assert_eq!(escape_workflow_property("a,b:c%0A"), "a%2Cb%3Ac%250A");
    }
}
