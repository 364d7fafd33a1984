//! The inputs of the GitHub action → a command line. No shell is involved: each input is one argument.

use std::ffi::OsString;

use crate::clients::environment::Environment;

/// The inputs that are flags of the same name with a value.
const FLAGS: [&str; 4] = ["policy", "fail-on", "key-ids", "source"];
/// The same for flags that only `audit` has.
const AUDIT_FLAGS: [&str; 2] = ["role-to-assume", "aws-region"];

/// The commands that a step may run: those that end in a report.
const COMMANDS: [&str; 2] = ["audit", "check"];

/// The command line that the step's inputs stand for. GitHub hands them over as `INPUT_<NAME>`, hyphens kept.
///
/// # Errors
/// The input `command` names none that a step may run.
pub fn arguments(environment: &Environment) -> Result<Vec<OsString>, String> {
    let input = |name: &str| environment.get(&format!("INPUT_{}", name.to_uppercase()));
    let command = input("command").unwrap_or("audit");
    if !COMMANDS.contains(&command) {
        return Err(format!("the input `command` is `{command}`; it can be {}", COMMANDS.join(", ")));
    }
    let mut arguments = vec!["keytide".to_owned(), command.to_owned()];
    let audit_flags = AUDIT_FLAGS.iter().filter(|_| command == "audit");
    for name in FLAGS.iter().filter(|name| **name != "source" || command == "audit").chain(audit_flags) {
        arguments.extend(input(name).map(|value| format!("--{name}={value}")));
    }
    for format in ["sarif", "json"] {
        arguments.extend(input(&format!("{format}-file")).map(|file| format!("--report={format}={file}")));
    }
    Ok(arguments.into_iter().map(OsString::from).collect())
}
