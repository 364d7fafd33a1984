//! YAML and JSON with positions: `strict` for policy files, `documents` for files of the repository, `byte_ranges` for
//! encrypted files that are edited in place.

#[cfg(feature = "seal")]
pub mod byte_ranges;
pub mod documents;
pub mod strict;
