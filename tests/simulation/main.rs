//! Whole rotations by the production code against AWS and GitHub in memory, with faults and crashes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

/// Random orders of faults, crashes, people and time.
mod random_runs;
/// What people do during a rotation, and how it ends.
mod stories;
/// Every request fails in every way, one at a time and in pairs.
mod crash_points;
/// What GitHub refuses, before a key is made and after.
mod refusals;
/// The pull request's text within GitHub's limit.
mod long_texts;
/// Writes to a parameter and to a secret of Vault while others write them.
mod overtaken_writes;
