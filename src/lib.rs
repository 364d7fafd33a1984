//! keytide audits and rotates the AWS IAM access keys that a repository uses.
//!
//! The modules are listed in the order in which data flows; no file imports a file that imports it. Only `system`, `aws`,
//! `github`, `live` and the store clients of `destinations` do I/O. `tests/repository/architecture.rs` checks both.

// Shared vocabulary.
pub mod error;
pub mod sanitize;
pub mod text_style;
pub mod sentences;
pub mod dates;
pub mod url_encoding;
pub mod position;
pub mod excerpt;
pub mod diagnostic;
pub mod hash;
#[cfg(feature = "seal")]
pub mod secret;

// Inputs as data.
pub mod yaml;
pub mod policy;
pub mod iam;
pub mod repository;

// Where applications read the credential.
pub mod destinations;

// From keys in workflows to roles.
pub mod migrate;

// The rotation protocol, pure, and the interfaces through which it acts.
pub mod rotation;
#[cfg(feature = "seal")]
pub mod ports;

// I/O.
pub mod system;
#[cfg(feature = "online")]
pub mod aws;
#[cfg(feature = "online")]
pub mod github;

// Observe, decide, execute: generic over the ports.
#[cfg(feature = "seal")]
pub mod engine;
#[cfg(feature = "online")]
pub mod live;
#[cfg(feature = "seal")]
pub mod simulator;

// Findings and reports.
pub mod rules;
pub mod report;
pub mod notify;

// Many repositories and accounts.
pub mod fleet;

// One module per command.
pub mod commands;
