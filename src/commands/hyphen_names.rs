//! Arguments of the command line that begin with a hyphen and are names of files. A program that passes the names of
//! changed files, such as a hook, would pass a committed `--fail-on=never` as an option.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, CommandFactory};

use super::cli::Cli;
use crate::system::files;

const CHECK: &str = "check";

/// The name of a file that would be an option.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` would be an option, and is the name of a file here")]
pub struct TakenForOption(String);

/// Returns the arguments for the parser: for `check`, the names of files that could be no option stand behind `--`.
///
/// # Errors
/// The first name of a file that would be an option: clap would apply it.
pub fn separate_file_names(arguments: Vec<OsString>) -> Result<Vec<OsString>, TakenForOption> {
    let mut options = arguments;
    let position = options.iter().position(|argument| argument == "--");
    let paths = position.map(|at| options.split_off(at + 1)).unwrap_or_default();
    // As a hook begins; anywhere else the word may be a value
    let takes_paths = options.get(1).is_some_and(|command| command == CHECK);
    let mut names = Vec::new();
    let mut kept = Vec::new();
    for (at, argument) in options.into_iter().enumerate() {
        if at == 0 || !is_hyphen_name(&argument) {
            kept.push(argument);
        } else if takes_paths && !is_option_of_check(&argument) {
            names.push(argument);
        } else {
            return Err(TakenForOption(argument.to_string_lossy().into_owned()));
        }
    }
    if position.is_none() && !names.is_empty() {
        kept.push("--".into());
    }
    kept.extend(names);
    kept.extend(paths);
    Ok(kept)
}

/// Whether an argument begins with a hyphen and is the name of a file in the working folder. A single hyphen is no option.
fn is_hyphen_name(argument: &OsStr) -> bool {
    let bytes = argument.as_encoded_bytes();
    bytes.len() > 1 && bytes[0] == b'-' && bytes != b"--" && files::is_present(Path::new(argument))
}

/// Whether `check` has an option of this name, which the argument may give a value as well.
fn is_option_of_check(argument: &OsStr) -> bool {
    // Built, since only then it has the options of all commands
    let mut cli = Cli::command();
    cli.build();
    let Some(check) = cli.find_subcommand(CHECK) else { return true };
    let given = argument.to_string_lossy();
    check.get_arguments().any(|option| is_option_named(option, &given))
}

/// Whether an argument such as `--format=json` or `-q` is this option.
fn is_option_named(option: &Arg, argument: &str) -> bool {
    match argument.strip_prefix("--") {
        Some(long) => {
            let name = long.split('=').next().unwrap_or_default();
            option.get_long() == Some(name)
                || option.get_all_aliases().is_some_and(|names| names.contains(&name))
        }
        None => option.get_short().is_some_and(|short| argument[1..].starts_with(short)),
    }
}
