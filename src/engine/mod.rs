//! Runs one rotation: [`observe`] reads the facts about a user, `rotation::decide` chooses the next step, [`execute`]
//! performs it, until nothing is left to do in this run.
//!
//! The engine reaches AWS and GitHub only through the traits of `ports`: `live` implements them for the services,
//! `simulator` for tests and `keytide demo`.

pub mod execute;
pub mod observe;
