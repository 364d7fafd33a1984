//! `keytide completions SHELL`.

use clap::CommandFactory;

use super::Cli;

/// The script that a shell reads.
pub fn render_script(shell: clap_complete::Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keytide", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
