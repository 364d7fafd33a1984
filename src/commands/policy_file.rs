//! Finds and reads the policy file.

use std::path::Path;

use super::Context;
use crate::diagnostic::{Diagnostic, Position};
use crate::policy::{self, MAX_BYTES, Policy};
use crate::repository::FileContent;
use crate::rules;
use crate::system::files;

/// Where a policy file is looked for, in this order.
pub const DEFAULT_PATHS: [&str; 4] =
    [".github/keytide.yml", ".github/keytide.yaml", "keytide.yml", "keytide.yaml"];

/// Reads the policy file of this run.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_policy(context: &Context<'_>) -> Result<Policy, Vec<Diagnostic>> {
    let read = |path: &Path| files::read_bounded(path, MAX_BYTES).map_err(|error| error.to_string());
    match &context.common.policy {
        Some(file) => read_policy(file, &read),
        None => match files::first_existing(&DEFAULT_PATHS) {
            Some(file) => read_policy(&file, &read),
            None => Err(vec![missing_policy()]),
        },
    }
}

/// Reads the policy file of a repository whose files are opened by `read`, by their path from its root; `None` when
/// it has none. One that `--policy` names is a file like any other.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_repository_policy(
    context: &Context<'_>,
    read: &dyn Fn(&Path) -> FileContent,
) -> Result<Option<Policy>, Vec<Diagnostic>> {
    if context.common.policy.is_some() {
        return load_policy(context).map(Some);
    }
    load_policy_with(None, read)
}

/// The same, where a file that is named is one of the repository too.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_policy_with(
    named: Option<&str>,
    read: &dyn Fn(&Path) -> FileContent,
) -> Result<Option<Policy>, Vec<Diagnostic>> {
    let first = || DEFAULT_PATHS.into_iter().find(|place| read(Path::new(place)) != FileContent::Absent);
    let Some(file) = named.or_else(first) else { return Ok(None) };
    let open = |path: &Path| match read(path) {
        FileContent::Bytes(bytes) => Ok(bytes),
        FileContent::Absent => Err("it does not exist".to_owned()),
        FileContent::Unreadable(why) => Err(why),
    };
    read_policy(file, &open).map(Some)
}

/// The complaint that there is no policy file.
pub fn missing_policy() -> Diagnostic {
    let message = format!("there is no policy file: looked for {}", DEFAULT_PATHS.join(", "));
    let mut complaint = file_diagnostic(DEFAULT_PATHS[0], message);
    complaint.help =
        Some("`keytide init` writes one; `keytide explain policy` prints one with every field".to_owned());
    complaint
}

type FileReader<'a> = dyn Fn(&Path) -> Result<Vec<u8>, String> + 'a;

fn read_policy(file: &str, read: &FileReader<'_>) -> Result<Policy, Vec<Diagnostic>> {
    let bytes = read(Path::new(file))
        .map_err(|why| vec![file_diagnostic(file, format!("this file cannot be read: {why}"))])?;
    let folder = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
    let open = |name: &str| read(&folder.join(name));
    policy::read_policy(
        &policy::PolicySource { file, bytes: &bytes, read_base: &open },
        &rules::exemptible_rules(),
    )
}

/// A complaint about a file as a whole.
pub fn file_diagnostic(file: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        at: Position::START,
        width: 1,
        message,
        help: None,
        line: String::new(),
    }
}
