//! Builds the permissions that the destinations need beside IAM.

use std::path::Path;

use serde_json::Value;

use crate::commands::cli::Purpose;
use crate::commands::context::Context;
use crate::destinations::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest};
use crate::policy::Policy;
use crate::repository::FileContent;
use crate::system::worktree::WorkTree;

/// The statements about the destinations of the users that may be rotated. Prints what the reader must add by hand.
pub fn destination_statements(
    context: &Context<'_>,
    purpose: Purpose,
    policy: &Policy,
    scope: &ArnScope<'_>,
) -> Vec<Value> {
    let tree = WorkTree::find_repository(context.environment);
    let request = PermissionRequest {
        access: match purpose {
            Purpose::Audit => DestinationAccess::Audit,
            Purpose::Rotate => DestinationAccess::Rotate,
            Purpose::Delete => DestinationAccess::Delete,
        },
        scope,
        now: context.now,
        read_file: &|file| match tree.read_content(Path::new(file)) {
            FileContent::Bytes(bytes) => Some(bytes),
            _ => None,
        },
    };
    let mut needed = NeededPermissions::default();
    for entry in policy.users.iter().filter(|entry| entry.rotation.is_some()) {
        for destination in &entry.destinations {
            destination.kind().add_permissions(&request, &mut needed);
        }
    }
    for note in needed.notes() {
        context.eprint(&format!("note: {note}\n"));
    }
    needed.statements()
}
