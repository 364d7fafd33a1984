//! `keytide completions SHELL`: prints a completion script.

use clap::CommandFactory;

use super::cli::Cli;

/// Renders the script for a shell.
pub fn render_script(shell: clap_complete::Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keytide", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
