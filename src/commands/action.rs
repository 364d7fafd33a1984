//! The inputs of the GitHub action → a command line. No shell is involved: each input is one argument.

use std::ffi::OsString;

use crate::system::environment::ProcessEnvironment;

/// The inputs that are flags of the same name with a value, of every command.
const VALUE_FLAGS: [&str; 3] = ["policy", "fail-on", "key-ids"];
/// The inputs that are flags without a value, and the commands that have them; to the others they mean nothing.
const SWITCHES: [(&str, &[&str]); 2] = [("no-delete", &["rotate", "rollback"]), ("compromised", &["rotate"])];
/// The commands that a step may run, those that end in a report, and the inputs that are flags of each.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("audit", &["source", "role-to-assume", "aws-region"]),
    ("check", &[]),
    ("plan", &["role-to-assume", "aws-region", "user"]),
    ("rotate", &["role-to-assume", "aws-region", "user", "only"]),
    ("rollback", &["role-to-assume", "aws-region", "user"]),
    ("resume", &["role-to-assume", "aws-region", "user", "reason"]),
];

/// The command line that the step's inputs stand for. GitHub hands them over as `INPUT_<NAME>`, hyphens kept.
///
/// # Errors
/// The input `command` names none that a step may run.
pub fn arguments_from_inputs(environment: &ProcessEnvironment) -> Result<Vec<OsString>, String> {
    let input = |name: &str| environment.get(&format!("INPUT_{}", name.to_uppercase()));
    let command = input("command").unwrap_or("audit");
    let Some((_, own)) = COMMANDS.iter().find(|(name, _)| *name == command) else {
        let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        return Err(format!("the input `command` is `{command}`; it can be {}", names.join(", ")));
    };
    let mut arguments = vec!["keytide".to_owned(), command.to_owned()];
    for name in VALUE_FLAGS.iter().chain(*own) {
        arguments.extend(input(name).map(|value| format!("--{name}={value}")));
    }
    for (name, _) in SWITCHES.iter().filter(|(_, of)| of.contains(&command)) {
        match input(name) {
            Some("true") => arguments.push(format!("--{name}")),
            None | Some("false") => {}
            Some(other) => {
                return Err(format!("the input `{name}` is `{other}`; it can be true or false"));
            }
        }
    }
    for format in ["sarif", "json"] {
        arguments.extend(input(&format!("{format}-file")).map(|file| format!("--report={format}={file}")));
    }
    Ok(arguments.into_iter().map(OsString::from).collect())
}
