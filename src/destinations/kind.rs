//! Describes what the rotation needs to know about a kind of destination, so that it need not name the kind.
//!
//! Each kind answers in its own folder. `Destination::kind` lists every kind, so a new one that lacks an answer does not
//! compile.

use super::FileDestination;
use crate::policy::Destination;
use crate::rotation::{DestinationId, StorageKind, ids};

/// One kind of destination.
pub trait DestinationKind {
    /// The ID and the storage of the destination in the journal; `None` when it holds no credential.
    fn identity(&self) -> Option<(DestinationId, StorageKind)>;

    /// Whether the destination's store takes the credential unencrypted and stages it as a version of its own.
    fn takes_plaintext(&self) -> bool {
        false
    }
}

impl Destination {
    /// What is specific to the kind of this destination.
    pub fn kind(&self) -> &dyn DestinationKind {
        match self {
            Self::Sops(sops) => sops,
            Self::Age(age) => age,
            Self::SealedSecret(sealed) => sealed,
            Self::GithubSecret(secret) => secret,
            Self::SecretsManager(secret) => secret,
            Self::Reference(reference) => reference,
        }
    }
}

/// The identity of a destination whose credential is in a file of the repository.
pub fn identify_file(file: &impl FileDestination) -> (DestinationId, StorageKind) {
    (ids::destination_id(file.kind_name(), file.credential_file()), StorageKind::File)
}
