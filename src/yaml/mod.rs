//! yaml.

#[cfg(feature = "seal")]
pub mod byte_ranges;
pub mod documents;
pub mod strict;
