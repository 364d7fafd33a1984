//! The binary: passes the environment and the arguments to the command line, and exits with its exit code.

use std::process::ExitCode;

use keytide::commands;
use keytide::system::environment::{ProcessEnvironment, command_line_arguments};

fn main() -> ExitCode {
    commands::run(&ProcessEnvironment::from_process(), command_line_arguments()).into()
}
