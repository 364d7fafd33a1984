//! The program: takes the environment and the arguments, runs one command, exits.

use std::process::ExitCode;

use keytide::clients::environment::{Environment, arguments};
use keytide::commands;

fn main() -> ExitCode {
    commands::run(&Environment::read(), arguments()).into()
}
