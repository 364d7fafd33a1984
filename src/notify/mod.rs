//! Keeps people informed of problems: one issue for each policy file, and a webhook.
//!
//! [`observed`] takes the problems out of a report, [`decide`] compares them with the state that the issue holds, and
//! [`keep`] carries the decision out through a port. Everything else renders text. Only the port does I/O.

pub mod decide;
#[cfg(feature = "seal")]
pub mod keep;
pub mod observed;
pub mod problem;
pub mod section;
pub mod state;
pub mod text;
pub mod webhook;
