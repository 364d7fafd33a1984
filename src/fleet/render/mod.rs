//! Renders the merged report of a fleet: one format in each file.

pub mod csv;
pub mod html;
pub mod json;
pub mod markdown;
pub mod text;
mod words;
