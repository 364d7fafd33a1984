//! Turns the inputs of the GitHub action into a command line. No shell is involved: each input is one argument.

use std::ffi::OsString;

use crate::error::CommandError;
use crate::system::environment::ProcessEnvironment;

/// The inputs that are options of the same name, with a value, of every command.
const VALUE_FLAGS: [&str; 3] = ["policy", "fail-on", "key-ids"];
/// The inputs that are flags without a value, and the commands that have them. Other commands ignore them.
const SWITCHES: [(&str, &[&str]); 3] = [
    ("no-delete", &["rotate", "rollback"]),
    ("compromised", &["rotate"]),
    ("reactivate-compromised-key", &["rollback"]),
];
/// The commands that a step may run (those that end in a report), and the inputs that are options of each.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("audit", &["source", "role-to-assume", "aws-region"]),
    ("check", &[]),
    ("plan", &["role-to-assume", "aws-region", "user"]),
    ("rotate", &["role-to-assume", "aws-region", "user", "only"]),
    ("rollback", &["role-to-assume", "aws-region", "user"]),
    ("resume", &["role-to-assume", "aws-region", "user", "reason"]),
];

/// Returns the command line that corresponds to the inputs, which GitHub passes as `INPUT_<NAME>` with hyphens kept.
pub fn arguments_from_inputs(environment: &ProcessEnvironment) -> Result<Vec<OsString>, CommandError> {
    let input = |name: &str| environment.get(&format!("INPUT_{}", name.to_uppercase()));
    let command = input("command").unwrap_or("audit");
    let Some((_, own_flags)) = COMMANDS.iter().find(|(name, _)| *name == command) else {
        let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        return Err(input_error("command", command, &names.join(", ")));
    };
    let mut arguments = vec!["keytide".to_owned(), command.to_owned()];
    for name in VALUE_FLAGS.iter().chain(*own_flags) {
        // One argument `--name=value`: a value that begins with a hyphen cannot become an option.
        arguments.extend(input(name).map(|value| format!("--{name}={value}")));
    }
    for (name, commands) in &SWITCHES {
        if !commands.contains(&command) {
            continue;
        }
        match input(name) {
            Some("true") => arguments.push(format!("--{name}")),
            None | Some("false") => {}
            Some(other) => return Err(input_error(name, other, "true or false")),
        }
    }
    for format in ["sarif", "json"] {
        arguments.extend(input(&format!("{format}-file")).map(|file| format!("--report={format}={file}")));
    }
    Ok(arguments.into_iter().map(OsString::from).collect())
}

fn input_error(name: &str, value: &str, expected: &str) -> CommandError {
    CommandError::invalid(format!("the input `{name}` is `{value}`; expected {expected}"))
        .with_help("correct the inputs of this step")
}

/// The first paragraph of clap's message, on one line: an annotation shows no more.
pub fn error_from_clap(error: &clap::Error) -> CommandError {
    let text = error.render().to_string();
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = paragraph.join(" ").trim_start_matches("error: ").to_owned();
    CommandError::invalid(message).with_help("correct the inputs of this step")
}
