//! Simulates AWS, GitHub, two secret stores, applications and people in memory, with a virtual clock.
//!
//! `keytide demo` and the tests of the rotation run the production code against it. It has the delays of the real
//! services: AWS accepts a new key only after seconds, lists lag, IAM reports a last use late and rounded to fifteen
//! minutes. `faults` makes any request crash the run, lose its reply, take effect late, fail, be throttled or return an
//! old state. `invariants` checks after every change of the simulated state what must always hold.

mod applications;
mod backend;
mod executor;
mod faults;
mod github;
mod iam;
mod invariants;
mod keyring;
mod operators;
mod rng;
pub mod sample;
mod simulation;
mod state;
mod stores;
mod versioned_secret;
mod workflows;

pub use applications::Application;
pub use backend::SimBackend;
pub use executor::{BoxedRun, block_on, interleave_runs};
pub use faults::{FaultPlan, FaultPoint, SimFault};
pub use keyring::Keyring;
pub use rng::SplitMix;
pub use simulation::{Simulation, SimulationState};
pub use state::{SimCommit, SimKey, SimPullRequest, SimRun, SimState, SimUser, StoredEntry, StoredSecret};
pub use stores::no_such_secret;
pub use versioned_secret::{FIELDS as PAIR_FIELDS, SMTP_FIELD, VersionedSecret};
