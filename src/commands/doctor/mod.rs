//! `keytide doctor`: checks whether everything that a rotation needs is there, without a change.
//!
//! Each check reads something and decides by a pure function. What could not be read is said, and is never a pass.

mod account;
mod check;
mod clock;
mod command;
mod delete_environment;
mod destinations;
mod github_checks;
mod inspect;
mod issues;
mod oidc;
mod policy;
mod redeploy;
mod render;
mod terraform;
mod trial;
mod trust;
mod trust_condition;
mod users;
mod wildcard;

pub use command::run;
