//! Many repositories and accounts as one: the file `fleet.yml`, the results of its jobs as data, and what they are merged to.
//!
//! Pure: `commands::fleet` reads and writes the files. This room imports `policy`, `destinations`, `rules`, `report` and
//! `notify`, and none of them imports it.

pub mod file;
pub mod collection;
pub mod facts;
mod exemptions;
pub mod finding;
pub mod input;
pub mod issues;
pub mod matrix;
pub mod mask;
pub mod merge;
mod missing;
mod newest;
pub mod part;
pub mod places;
pub mod policy_account;
pub mod render;
pub mod result;
