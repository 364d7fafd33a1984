//! What the forms of `keytide iam-policy` share: the prefix of the roles' names, notes, and errors.

use serde::Serialize;
use serde_json::Value;

use crate::commands::context::Context;
use crate::error::CommandError;

/// What the names of the roles begin with in the workflows that `init` writes.
pub const ROLE_PREFIX: &str = "keytide";

/// The error where the numbers of a repository are needed and not known.
pub fn unknown_numbers(name: &str, failure: Option<&str>) -> CommandError {
    match failure {
        Some(failure) => CommandError::incomplete(failure),
        None => CommandError::missing_credential(format!("the numeric IDs of `{name}` are unknown")),
    }
    .with_help(
        "export GITHUB_TOKEN=$(gh auth token), or set GITHUB_REPOSITORY_ID and GITHUB_REPOSITORY_OWNER_ID; \
         with `--subject classic` the roles trust the repository by its name alone",
    )
}

/// Prints what the reader of the output must know, on standard error.
pub fn print_notes<'n>(context: &Context<'_>, notes: impl Iterator<Item = &'n str>) {
    for note in notes {
        context.print_note(note);
    }
}

/// A document as JSON.
pub fn to_value(document: &impl Serialize) -> Result<Value, CommandError> {
    serde_json::to_value(document)
        .map_err(|error| CommandError::invalid(format!("the policy cannot be written: {error}")))
}
