//! Turns the inputs of the GitHub action into a command line. No shell is involved: each input is one argument.

use std::ffi::OsString;

use super::cli::render_usage_error;
use crate::error::CommandError;
use crate::sanitize::hide_possible_secrets;
use crate::system::environment::ProcessEnvironment;

/// The inputs that are options of the same name, with a value, of every command.
const VALUE_FLAGS: [&str; 3] = ["policy", "fail-on", "key-ids"];
/// The inputs that are flags without a value, and the commands that have them. Other commands ignore them.
const SWITCHES: [(&str, &[&str]); 3] = [
    ("no-delete", &["rotate", "rollback"]),
    ("compromised", &["rotate"]),
    ("reactivate-compromised-key", &["rollback"]),
];
/// The inputs that are `true` by default, the flags that `false` stands for, and the commands that have them.
const OPT_OUTS: [(&str, &str, &[&str]); 1] = [("notify", "no-notify", &["audit", "rotate"])];
/// The commands that a step may run (those that end in a report), and the inputs that are options of each.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("audit", &["source", "role-to-assume", "aws-region"]),
    ("check", &[]),
    ("plan", &["role-to-assume", "aws-region", "user"]),
    ("rotate", &["role-to-assume", "aws-region", "user", "only"]),
    ("rollback", &["role-to-assume", "aws-region", "user", "reason"]),
    ("resume", &["role-to-assume", "aws-region", "user", "reason"]),
];

/// The jobs of a fleet, as the input `command` and as the subcommand name them.
const FLEET_COMMANDS: [(&str, &str); 3] =
    [("fleet-collect", "collect"), ("fleet-audit", "audit"), ("fleet-report", "report")];
/// The inputs that are options of `fleet audit`.
const FLEET_AUDIT_FLAGS: [&str; 4] = ["account", "part", "role-to-assume", "aws-region"];

/// The input that makes `fleet report` keep issues. `notify` is another one, which is true by default.
const ISSUES_INPUT: &str = "notify-repositories";

/// The input of [`VALUE_FLAGS`] that is a path.
const PATH_INPUT: &str = "policy";
/// Where the runner mounts the workspace in the container of an action (GitHub, "Dockerfile support").
const CONTAINER_WORKSPACE: &str = "/github/workspace";

/// The value of an input of the action, which GitHub passes as a variable.
fn action_input<'e>(environment: &'e ProcessEnvironment, name: &str) -> Option<&'e str> {
    environment.get(&format!("INPUT_{}", name.to_uppercase()))
}

/// Returns the command line that corresponds to the inputs, which GitHub passes as `INPUT_<NAME>` with hyphens kept.
pub fn arguments_from_inputs(environment: &ProcessEnvironment) -> Result<Vec<OsString>, CommandError> {
    let command = action_input(environment, "command").unwrap_or("audit");
    if let Some((_, subcommand)) = FLEET_COMMANDS.iter().find(|(name, _)| *name == command) {
        return fleet_arguments(environment, subcommand);
    }
    let Some((_, own_flags)) = COMMANDS.iter().find(|(name, _)| *name == command) else {
        let names: Vec<&str> =
            COMMANDS.iter().map(|(name, _)| *name).chain(FLEET_COMMANDS.map(|(name, _)| name)).collect();
        return Err(input_error("command", command, &names.join(", ")));
    };
    let mut arguments = vec!["keytide".to_owned(), command.to_owned()];
    for name in VALUE_FLAGS.iter().chain(*own_flags) {
        // One argument `--name=value`: a value that begins with a hyphen cannot become an option.
        let Some(value) = action_input(environment, name) else { continue };
        let path = if *name == PATH_INPUT { path_in_workspace(environment, value) } else { None };
        arguments.push(format!("--{name}={}", path.unwrap_or(value)));
    }
    for (name, commands) in &SWITCHES {
        if !commands.contains(&command) {
            continue;
        }
        match action_input(environment, name) {
            Some("true") => arguments.push(format!("--{name}")),
            None | Some("false") => {}
            Some(other) => return Err(input_error(name, other, "true or false")),
        }
    }
    for (name, flag, commands) in &OPT_OUTS {
        if !commands.contains(&command) {
            continue;
        }
        match action_input(environment, name) {
            Some("false") => arguments.push(format!("--{flag}")),
            None | Some("true") => {}
            Some(other) => return Err(input_error(name, other, "true or false")),
        }
    }
    for format in ["sarif", "json"] {
        let Some(file) = action_input(environment, &format!("{format}-file")) else { continue };
        let file = path_in_workspace(environment, file).unwrap_or(file);
        arguments.push(format!("--report={format}={file}"));
    }
    Ok(arguments.into_iter().map(OsString::from).collect())
}

/// Returns the command line of a job of a fleet. The folders have the names that the jobs of `fleet.yml` share.
fn fleet_arguments(
    environment: &ProcessEnvironment,
    subcommand: &str,
) -> Result<Vec<OsString>, CommandError> {
    let policies = path_input(environment, "policies", "policies");
    let results = path_input(environment, "results", "results");
    let mut arguments = vec!["keytide".to_owned(), "fleet".to_owned(), subcommand.to_owned()];
    for name in ["fail-on", "key-ids"] {
        arguments.extend(action_input(environment, name).map(|value| format!("--{name}={value}")));
    }
    let fleet_file = action_input(environment, "fleet")
        .map(|_| format!("--fleet={}", path_input(environment, "fleet", "")));
    match subcommand {
        "collect" => {
            arguments.push(format!("--out={policies}"));
            arguments.extend(fleet_file);
        }
        "audit" => {
            arguments.push(format!("--policies={policies}"));
            // With a slash it is a folder, whether it exists or not.
            arguments.push(format!("--json={}/", results.trim_end_matches('/')));
            for name in FLEET_AUDIT_FLAGS {
                arguments.extend(action_input(environment, name).map(|value| format!("--{name}={value}")));
            }
        }
        _ => {
            for format in ["html", "csv", "json"] {
                let name = format!("{format}-file");
                if action_input(environment, &name).is_some() {
                    arguments.push(format!("--report={format}={}", path_input(environment, &name, "")));
                }
            }
            match action_input(environment, ISSUES_INPUT) {
                Some("true") => {
                    arguments.push("--notify".to_owned());
                    arguments.extend(fleet_file);
                }
                None | Some("false") => {}
                Some(other) => return Err(input_error(ISSUES_INPUT, other, "true or false")),
            }
            arguments.extend(["--".to_owned(), results.to_owned(), format!("{policies}/collection.json")]);
        }
    }
    Ok(arguments.into_iter().map(OsString::from).collect())
}

/// The path that an input names, as the container knows it.
fn path_input<'e>(environment: &'e ProcessEnvironment, name: &str, default: &'e str) -> &'e str {
    let Some(path) = action_input(environment, name) else { return default };
    path_in_workspace(environment, path).unwrap_or(path)
}

/// The part of an absolute path below the workspace, from which the container runs. GitHub's runner replaces its own folder
/// at the beginning of a value, that of `${{ github.workspace }}`, by the container's (actions/runner,
/// `ContainerActionHandler.cs`); other runners do not. The steps behind this one know only the runner's.
fn path_in_workspace<'p>(environment: &ProcessEnvironment, path: &'p str) -> Option<&'p str> {
    let workspace = environment.get("GITHUB_WORKSPACE").unwrap_or(CONTAINER_WORKSPACE);
    for folder in [workspace, CONTAINER_WORKSPACE] {
        if let Some(inside) = strip_folder(path, folder) {
            return Some(inside);
        }
    }
    // The runner's workspace is WORK/NAME/NAME, with the repository's name twice, and this variable is WORK/NAME.
    let (_, name) = environment.get("GITHUB_REPOSITORY")?.split_once('/')?;
    let runner = environment.get("RUNNER_WORKSPACE")?;
    strip_folder(strip_folder(path, runner)?, name)
}

/// A path below a folder, relative to it.
fn strip_folder<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let inside = path.strip_prefix(folder.trim_end_matches(['/', '\\']))?;
    let inside = inside.strip_prefix(['/', '\\'])?;
    Some(inside.trim_start_matches('/')).filter(|inside| !inside.is_empty())
}

fn input_error(name: &str, value: &str, expected: &str) -> CommandError {
    CommandError::invalid(format!(
        "the input `{name}` is `{}`; expected {expected}",
        hide_possible_secrets(value)
    ))
    .with_help("correct the inputs of this step")
}

/// The first paragraph of clap's message, on one line: an annotation shows no more.
pub fn error_from_clap(error: &clap::Error) -> CommandError {
    let text = render_usage_error(error);
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = paragraph.join(" ").trim_start_matches("error: ").to_owned();
    CommandError::invalid(message).with_help("correct the inputs of this step")
}
