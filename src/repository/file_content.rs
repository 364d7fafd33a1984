//! Holds what reading one file came to.

/// The content of a file that was requested by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    Bytes(Vec<u8>),
    Absent,
    /// It exists but cannot be read, with the reason.
    Unreadable(String),
}
