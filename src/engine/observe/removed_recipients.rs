//! Finds who could decrypt a new key whose pull request is open, and is no recipient any more: the merge would give a live key
//! to someone who was taken out while it waited.

use super::user_rotation::UserRotation;
use super::workspace::{load_workspace, preflight_destinations};
use crate::destinations::kind::{describe_destination, describe_recipient};
use crate::policy::file::Destination;
use crate::ports::{Backend, BackendResult};
use crate::rotation::{OpenRotation, recipients};

/// Compares the recipients for whom the new key was encrypted with those of the policy file and the default branch.
///
/// # Errors
/// The default branch could not be read.
pub async fn find_removed_recipient(
    world: &impl Backend,
    task: &UserRotation,
    rotation: &OpenRotation,
    head: &str,
) -> BackendResult<Option<String>> {
    let Some(staged) = &rotation.staged else { return Ok(None) };
    // Those of the policy file: the journal has them as they were when the rotation began
    let sealed: Vec<Destination> = task
        .destinations
        .iter()
        .filter(|one| one.identity().is_some_and(|(place, _)| has_recipients(&staged.recipients, &place)))
        .cloned()
        .collect();
    if sealed.is_empty() {
        return Ok(None);
    }
    let workspace = load_workspace(world, head, &sealed, rotation.old.as_deref()).await?;
    // A destination that can take no key now has no recipients to compare with; its file is looked at elsewhere
    let Ok(today) = preflight_destinations(&sealed, &workspace) else { return Ok(None) };
    for change in recipients::diff_recipients(&staged.recipients, &today) {
        if let Some(removed) = change.removed.first() {
            return Ok(Some(format!(
                "{} could decrypt the new key in {} and was removed from its recipients since",
                describe_recipient(removed),
                describe_destination(change.place)
            )));
        }
    }
    Ok(None)
}

fn has_recipients(recipients: &recipients::Recipients, place: &str) -> bool {
    recipients.iter().any(|(known, names)| **known == *place && !names.is_empty())
}
