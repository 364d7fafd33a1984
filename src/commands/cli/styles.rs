//! The colours of `--help`, the same as those of cargo, and the table of exit codes below it.

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;

const HEADER: Style = AnsiColor::Green.on_default().bold();
const LITERAL: Style = AnsiColor::Cyan.on_default().bold();

pub const STYLES: Styles = Styles::styled()
    .header(HEADER)
    .usage(HEADER)
    .literal(LITERAL)
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(LITERAL)
    .invalid(AnsiColor::Yellow.on_default().bold());

/// The exit codes of all commands, for the end of `--help`.
pub fn exit_codes_help() -> String {
    let rows = [
        (0, "the command finished; nothing at or above --fail-on"),
        (1, "findings at or above --fail-on"),
        (2, "invalid command line, environment or policy file; nothing was changed"),
        (3, "the command could not finish; incomplete data never counts as a pass"),
    ];
    let mut text = format!("{HEADER}Exit codes:{HEADER:#}");
    for (code, meaning) in rows {
        text.push_str(&format!("\n  {LITERAL}{code}{LITERAL:#}  {meaning}"));
    }
    text
}
