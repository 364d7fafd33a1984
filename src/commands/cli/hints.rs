//! Answers options and names that people try and keytide does not have, in place of clap's tips, which look for a similar
//! name alone.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::sanitize::hide_possible_secrets;

/// The commands that are about one user of a rotation.
const USER_COMMANDS: [&str; 4] = ["plan", "rotate", "rollback", "resume"];

/// Replaces the tips of an error by the right way, where it is about an option or a name that is often tried.
pub fn add_hint(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(hint) = find_hint(unknown, find_command(arguments)) else { return error };
    // The usage shows the option that clap takes for similar.
    for kind in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedCommand,
        ContextKind::SuggestedSubcommand,
        ContextKind::Usage,
    ] {
        error.remove(kind);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

/// The text of a usage error, which quotes what was typed: without what may be a secret in it.
pub fn render_usage_error(error: &clap::Error) -> String {
    hide_possible_secrets(&error.render().to_string())
}

/// The first word that is not an option; options of all commands may stand before it.
fn find_command(arguments: &[OsString]) -> &str {
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut words = words.filter(|word| COMMANDS.contains(word));
    words.next().unwrap_or_default()
}

const COMMANDS: [&str; 10] =
    ["audit", "check", "plan", "rotate", "rollback", "resume", "demo", "init", "doctor", "iam-policy"];

fn find_hint(unknown: &str, command: &str) -> Option<String> {
    let name = unknown.split('=').next().unwrap_or_default();
    let text = match name {
        "--force" | "-f" => {
            "keytide has no --force: `keytide rotate --user U --compromised` skips the waits for a key that has leaked, and `keytide resume --user U --reason TEXT` continues a rotation that stopped"
        }
        "--fix" => {
            "keytide has no --fix: `keytide rotate` replaces old keys, and `keytide explain RULE` says how to fix a finding"
        }
        "--dry-run" | "-n" => "`keytide plan` is the dry run of `keytide rotate`",
        "--profile" => "set the variable AWS_PROFILE: `AWS_PROFILE=NAME keytide ...`",
        "--region" => "write --aws-region REGION, or set the variable AWS_REGION",
        "--yes" | "-y" => {
            "leave it out: keytide asks no questions. `keytide plan` shows what `keytide rotate` would do"
        }
        "--json" => "write --format json, or --report json=FILE",
        "--output" | "-o" => "write --report FORMAT=FILE, as in --report html=report.html",
        "--delete" if command == "rotate" => {
            "leave it out: `keytide rotate` deletes old keys by itself when their soak is over; --only delete does nothing else, --no-delete leaves that out"
        }
        "--user" if ["audit", "check"].contains(&command) => {
            "it reads all users of the policy file; `keytide plan --user U` shows the rotation of one"
        }
        _ => return find_user_hint(unknown, command),
    };
    Some(text.to_owned())
}

/// The name of a user without its option.
fn find_user_hint(unknown: &str, command: &str) -> Option<String> {
    let is_name = !unknown.starts_with('-') && USER_COMMANDS.contains(&command);
    if is_name { Some(format!("name the IAM user with an option: --user {unknown}")) } else { None }
}
