//! Looks at the files that the AWS SDK opens by itself: it would wait for a FIFO, and read a device until the memory is
//! full.

use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::system::environment::ProcessEnvironment;
use crate::system::files;

/// The largest file of profiles that is read; a thousand profiles have about 300,000 bytes.
const MAX_PROFILES_BYTES: usize = 4 * 1024 * 1024;
/// The largest file of a token that is read.
const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// The variables that name a file with a token.
const TOKEN_FILES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

/// Checks the files of profiles and tokens before the SDK opens them.
///
/// # Errors
/// One is not a regular file, or is too large.
pub fn ensure_sdk_files_are_bounded(environment: &ProcessEnvironment) -> Result<(), CommandError> {
    for (variable, default) in
        [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")]
    {
        let (named, file) = match environment.get(variable) {
            Some(file) => (format!("{variable} names {file}, which"), file),
            None => (default.to_owned(), default),
        };
        ensure_file(environment, &named, file, MAX_PROFILES_BYTES)?;
    }
    for variable in TOKEN_FILES {
        let Some(file) = environment.get(variable) else { continue };
        ensure_file(environment, &format!("{variable} names {file}, which"), file, MAX_TOKEN_BYTES)?;
    }
    Ok(())
}

/// Checks the file that a setting of a profile names.
///
/// # Errors
/// It is not a regular file, or is too large.
pub fn ensure_token_file_is_bounded(
    environment: &ProcessEnvironment,
    setting: &str,
    file: &str,
) -> Result<(), CommandError> {
    ensure_file(environment, &format!("{setting} names {file}, which"), file, MAX_TOKEN_BYTES)
}

fn ensure_file(
    environment: &ProcessEnvironment,
    named: &str,
    file: &str,
    limit: usize,
) -> Result<(), CommandError> {
    files::ensure_bounded(&expand_home(environment, file), limit).map_err(|reason| {
        CommandError::environment(format!("{named} cannot be used: {reason}"))
            .with_help("name a regular file, or unset the variable")
    })
}

/// The path that the SDK opens: it replaces a leading `~`.
fn expand_home(environment: &ProcessEnvironment, file: &str) -> PathBuf {
    let home = environment.get("HOME").or(environment.get("USERPROFILE"));
    match file.strip_prefix("~/").zip(home) {
        Some((below, home)) => Path::new(home).join(below),
        None => PathBuf::from(file),
    }
}
