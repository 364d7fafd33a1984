//! Finds and reads the policy file.

use std::path::Path;

use super::Context;
use crate::clients::files;
use crate::diagnostic::{Diagnostic, Position};
use crate::policy::{self, MAX_BYTES, Policy};
use crate::rules;

/// Where a policy file is looked for, in this order.
const PLACES: [&str; 4] = [".github/keytide.yml", ".github/keytide.yaml", "keytide.yml", "keytide.yaml"];

/// Reads the policy file of this run.
///
/// # Errors
/// Everything that is wrong with it.
pub fn policy(context: &Context<'_>) -> Result<Policy, Vec<Diagnostic>> {
    let found = context.common.policy.clone().or_else(|| files::first_existing(&PLACES));
    let Some(file) = found else {
        let message = format!("there is no policy file: looked for {}", PLACES.join(", "));
        let mut complaint = complaint(PLACES[0], message);
        complaint.help = Some("`keytide explain policy` prints one with every field".to_owned());
        return Err(vec![complaint]);
    };
    let bytes = files::read(Path::new(&file), MAX_BYTES)
        .map_err(|why| vec![complaint(&file, format!("this file cannot be read: {why}"))])?;
    let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
    let open = |name: &str| files::read(&folder.join(name), MAX_BYTES);
    policy::read(&policy::Source { file: &file, bytes: &bytes, open: &open }, &rules::exemptible())
}

/// A complaint about a file as a whole.
pub fn complaint(file: &str, message: String) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        at: Position::START,
        width: 1,
        message,
        help: None,
        line: String::new(),
    }
}
