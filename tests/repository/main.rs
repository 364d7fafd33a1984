//! The repository itself: the shape of the source, files that must agree with it, and stored formats. Needs no peers.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use keytide_test_support as support;

/// Reads which file imports which.
mod imports;
/// Imports make no cycle; only some rooms do I/O.
mod architecture;
/// Schema, README, action and contributor steps match the code.
mod generated;
/// Links, commands, tables and the picture of the documents match the program.
mod documents;
/// Version, address, hooks and the action of a release match Cargo.toml.
mod packaging;
/// Which actions the workflows use, and on which pull requests they run.
mod workflows;
/// Journals and lock files of the first version are read and written unchanged.
mod stored_formats;
