//! keytide keeps the AWS IAM access keys of a repository young.
//!
//! The modules stand in the order in which data flows; each imports only what stands above it
//! (`tests/repository/architecture.rs` holds that). Everything above `clients` is pure: no clock, no network, no
//! environment, no files.

// What every floor speaks of.
pub mod error;
pub mod sanitize;
pub mod diagnostic;
#[cfg(feature = "seal")]
pub mod secret;
// What the repository promises.
pub mod policy;
// What AWS says, and what is known of the repository.
pub mod inventory;
pub mod repo;
// What lies in the places that applications read the credential from.
pub mod destinations;
// How a rotation goes on.
pub mod rotation;
// What is wrong.
pub mod rules;
// Findings → bytes.
pub mod report;
// The only way out.
pub mod clients;
// One step at a time.
#[cfg(feature = "seal")]
pub mod apply;
// One file a command.
pub mod commands;
