//! The program: takes the environment and the arguments, runs one command, exits.

use std::process::ExitCode;

use keytide::commands;
use keytide::system::environment::{Environment, arguments};

fn main() -> ExitCode {
    commands::run(&Environment::read(), arguments()).into()
}
