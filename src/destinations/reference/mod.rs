//! The destination `reference`: files that name the access key ID in plaintext, beside a secret that another destination
//! holds.

pub mod policy;
#[cfg(feature = "seal")]
mod rewrite;

use super::kind::{Capabilities, DestinationKind, JournalKind, PolicyFaultSink, Storage};
use super::permissions::{NeededPermissions, PermissionRequest};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::policy::file::KeyReference;
use crate::sanitize::markdown_code;

impl DestinationKind for KeyReference {
    fn kind_name(&self) -> &'static str {
        "reference"
    }

    fn summary(&self) -> &'static str {
        "files that name the access key ID in plaintext"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "reference",
            updated_service: None,
            describe_target: |files| format!("{} (reference)", markdown_code(files)),
            describe_removal: |files| format!("take the access key ID out of {}", markdown_code(files)),
        }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::References(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { restorable: true, compare_and_swap: true, staged: false }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        if let Err(error) = self.compile_globs() {
            report(format!("a glob of a `reference` is broken: {}", error.kind()), "correct the glob");
        }
    }

    fn written_values(&self) -> Vec<String> {
        Vec::new()
    }

    fn add_permissions(&self, _: &PermissionRequest<'_>, _: &mut NeededPermissions) {}

    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_> {
        Preparation::FilesOnly
    }

    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination> {
        Some(self)
    }
}
