//! Runs a rotation over the [ports](crate::ports): `observe` reads everything about a user, `execute` carries out a step.

pub mod execute;
pub mod observe;
