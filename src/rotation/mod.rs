//! The protocol that rotates one user's access key: from the facts of an [`Observation`], [`decide()`] derives the next
//! step and its reason.
//!
//! Pure: no clock, no network, no files, no randomness. No type in this module can hold a secret access key. The order
//! of the rows in [`decide()`] is the protocol; `docs/protocol.md` explains it.

pub mod pull_request;
mod changed_file;

mod observed;
pub mod decide;
pub mod observation;
pub mod journal;
pub mod ids;
pub mod inactive_keys;
mod phase;
pub mod recipients;
mod step;
pub mod timing;
pub mod waiting;

pub use decide::{StepDecision, decide};
pub use ids::{DestinationId, Fingerprint, KeyId};
pub use journal::{
    DestinationSnapshot, Journal, JournalEntry, JournalEvent, OpenRotation, RedeployCause, Redeployment,
    StagedKey, StorageKind,
};
pub use observation::{
    BranchTip, DestinationState, KeyMention, KeyState, KeyUse, Observation, ObservedKey, OwnerTag,
    PullRequest, PullRequestState, RedeployRun, RotationParams, RotationRequest, RunState,
};
pub use observed::Observed;
pub use phase::RotationPhase;
pub use recipients::Recipients;
pub use step::RotationStep;
