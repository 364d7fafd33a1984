//! The rotation protocol, shown on the production `decide` and the production journal. `docs/protocol.md` tells how.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

/// Journals told as stories, and what is seen beside them.
mod story;
/// One test a row of the table.
mod rows;
mod rows_back;
mod rows_first;
mod rows_redeploy;
mod rows_retire;
/// The journals of the enumeration.
mod stories;
/// The coordinates of the enumeration.
mod points;
/// How an observation is made of them.
mod axes;
/// Every combination of what can be seen.
mod enumeration;
/// What each step implies.
mod specification;
/// Runs, networks and people.
mod model;
/// The models that are checked.
mod models;
/// What must be seen to break.
mod mutant;
mod mutants;
/// The models that check it.
mod mutant_models;
