//! How the rotation of one user's access key goes on: facts in, one step out, with its reason.
//!
//! Pure: no clock, no network, no files, no randomness. No secret can be in here: nothing in this module can hold
//! one. The order of the rows in [`decide`] is the protocol; `docs/protocol.md` tells it to people.

mod datum;
pub mod decide;
pub mod facts;
pub mod journal;
pub mod names;
mod phase;
pub mod recipients;
mod step;

pub use datum::Datum;
pub use decide::{Decision, decide};
pub use facts::{
    Asked, BranchTip, Key, KeyId, Marker, Observation, Owner, PlaceFacts, PlaceId, Proposal, PullState,
    Rules, Status, Use,
};
pub use journal::{Entry, Event, Frozen, Journal, PlaceKind, Rotation, Staged};
pub use phase::Phase;
pub use recipients::Recipients;
pub use step::Step;
