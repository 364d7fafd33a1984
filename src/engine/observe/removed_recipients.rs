//! Finds a recipient for whom a new key was encrypted, and who was removed while its pull request waits: the merge would
//! give that person a live key.

use super::user_rotation::UserRotation;
use super::workspace::{load_workspace, preflight_destinations};
use crate::destinations::kind::{Preparation, describe_destination, describe_recipient};
use crate::policy::Destination;
use crate::ports::{Backend, BackendError, BackendResult, ErrorKind};
use crate::rotation::{OpenRotation, Recipients, recipients};

/// Compares the recipients for whom the new key was encrypted with those of the policy file and the default branch, and
/// describes the first who is missing there. Looks at destinations whose recipients are in other files than the credential:
/// where they are in its own file, their change is a conflict.
///
/// # Errors
/// The recipients of today could not be read.
pub async fn find_removed_recipient(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    head: &str,
) -> BackendResult<Option<String>> {
    let Some(staged) = &rotation.staged else { return Ok(None) };
    // Those of the policy file: the journal has them as they were when the rotation began
    for destination in &task.destinations {
        if !has_recipients(&staged.recipients, destination) {
            continue;
        }
        let one = std::slice::from_ref(destination);
        let workspace = load_workspace(world, head, one, rotation.old.as_deref()).await?;
        let today = preflight_destinations(one, &workspace)
            .map_err(|why| BackendError::new(ErrorKind::NotApplied, why))?;
        for change in recipients::diff_recipients(&staged.recipients, &today) {
            if let Some(removed) = change.removed.first() {
                return Ok(Some(format!(
                    "{} could decrypt the new key in {} and was removed from its recipients since",
                    describe_recipient(removed),
                    describe_destination(change.place)
                )));
            }
        }
    }
    Ok(None)
}

/// Whether the new key was encrypted for recipients of the destination, and its files alone say who they are.
fn has_recipients(staged: &Recipients, destination: &Destination) -> bool {
    let Some((place, _)) = destination.identity() else { return false };
    let is_in_files = matches!(destination.kind().preparation(), Preparation::FilesOnly);
    is_in_files && staged.get(&place).is_some_and(|names| !names.is_empty())
}
