//! How the rotation of one user's access key goes on: facts in, one step out, with its reason.
//!
//! Pure: no clock, no network, no files, no randomness. No secret can be in here: nothing in this module can hold
//! one. The order of the rows in [`decide`] is the protocol; `docs/protocol.md` tells it to people.

pub mod pull_request;

mod observed;
pub mod decide;
pub mod observation;
pub mod journal;
pub mod ids;
mod phase;
pub mod recipients;
mod step;
pub mod timing;

pub use decide::{StepDecision, decide};
pub use ids::{DestinationId, Fingerprint, KeyId};
pub use journal::{
    DestinationSnapshot, Journal, JournalEntry, JournalEvent, OpenRotation, StagedKey, StorageKind,
};
pub use observation::{
    BranchTip, DestinationState, KeyState, KeyUse, Observation, ObservedKey, OwnerTag, PullRequest,
    PullRequestState, RotationParams, RotationRequest,
};
pub use observed::Observed;
pub use phase::RotationPhase;
pub use recipients::Recipients;
pub use step::RotationStep;
