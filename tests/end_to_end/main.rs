//! Whole rotations of the built program, and what leads to them: over HTTP against AWS (moto), GitHub and Vault (OpenBao).
//!
//! `cargo test` leaves this suite out, and `.ci/run` runs it: `cargo test --test end_to_end`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use keytide_test_support as support;

/// The roles of a fleet, as `iam-policy` prints them.
mod fleet_set_up;
/// Whole rotations against AWS and GitHub.
mod rotations;
/// The first key of a user that has none.
mod first_keys;
/// A workflow that is started once the key is delivered.
mod redeployments;
/// A key that goes without a successor.
mod retirements;
/// What people do in the middle of a rotation.
mod human_actions;
/// What is wrong before one begins.
mod bad_input;
/// What someone who may push can do by writing a journal.
mod forged_journals;
/// The same, entry by entry.
mod forged_references;
mod forged_rollbacks;
mod forged_stages;
/// One entry more, of each kind at each stage.
mod forged_events;
/// Where a new key goes: recipients, pinned lists, other people's pull requests.
mod recipients;
/// What `doctor` says of a repository and an account, and what its trials leave.
mod doctor;
/// The issue and the webhook of `notify`.
mod notify;
/// From a key in workflows to a role.
mod migrate;
/// A rotation whose credential lies in Secrets Manager.
mod stores;
/// What audits say of what the stores hold.
mod store_contents;
/// The page about a key for a third party.
mod outside;
/// A rotation whose credential is in a parameter of AWS Systems Manager.
mod parameters;
/// A credential in Vault, against OpenBao.
mod vault;
/// A rotation whose files of SOPS are wrapped by KMS.
mod kms;
/// What GitHub's own description of its API says of every request.
mod openapi_contract;
/// Secrets, looked for in everything that leaves.
mod secret_leaks;
/// Two at once.
mod concurrent_runs;
/// The program, killed at its requests.
mod crash_recovery;
/// The set-up of an account, as `iam-policy` prints it.
mod set_up;
mod set_up_roles;
