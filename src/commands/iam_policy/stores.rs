//! Builds the permissions that the destinations need beside IAM.

use std::path::Path;

use crate::commands::cli::Purpose;
use crate::commands::context::Context;
use crate::destinations::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest};
use crate::policy::Policy;
use crate::repository::FileContent;
use crate::system::worktree::WorkTree;

/// What the destinations of the users that may be rotated need, and notes about what the reader must add by hand.
pub fn destination_permissions(
    context: &Context<'_>,
    purpose: Purpose,
    policy: &Policy,
    scope: &ArnScope<'_>,
) -> NeededPermissions {
    let tree = WorkTree::find_repository(context.environment);
    let read_file = |file: &str| match tree.read_content(Path::new(file)) {
        FileContent::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    let mut needed = NeededPermissions::default();
    for entry in policy.users.iter().filter(|entry| entry.key_changes().is_some()) {
        let access = match purpose {
            Purpose::Audit => DestinationAccess::Audit,
            // A retirement looks at the stores and writes to none
            Purpose::Rotate if entry.retire.is_none() => DestinationAccess::Rotate,
            Purpose::Rotate | Purpose::Delete => DestinationAccess::Delete,
        };
        let request = PermissionRequest { access, scope, now: context.now, read_file: &read_file };
        for destination in &entry.destinations {
            destination.kind().add_permissions(&request, &mut needed);
        }
    }
    needed
}
