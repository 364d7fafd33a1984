//! The program: takes the environment and the arguments, runs one command, exits.

use std::process::ExitCode;

use keytide::commands;
use keytide::system::environment::{ProcessEnvironment, command_line_arguments};

fn main() -> ExitCode {
    commands::run(&ProcessEnvironment::from_process(), command_line_arguments()).into()
}
