//! engine.

#[cfg(feature = "seal")]
pub mod execute;
#[cfg(feature = "seal")]
pub mod observe;
