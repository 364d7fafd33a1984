//! Reads one file of a fleet, and says what is wrong with it: a job that was killed leaves a part of a file.

use serde::Deserialize;

use super::collection::{COLLECTION_KIND, Collection};
use super::result::{ACCOUNT_KIND, AccountResult, SCHEMA_VERSION};

/// One file of input, read.
#[derive(Debug)]
pub enum FleetInput {
    Account(Box<AccountResult>),
    Collection(Box<Collection>),
}

/// The fields that every file has.
#[derive(Deserialize)]
#[serde(expecting = "an object with `schema_version` and `kind`")]
struct Header {
    schema_version: u32,
    kind: Option<String>,
}

/// Reads one file. The error is what is wrong with it, in half a sentence.
///
/// # Errors
/// It is cut off, or no file of a fleet.
pub fn read_input(bytes: &[u8]) -> Result<FleetInput, InvalidInput> {
    let header: Header = serde_json::from_slice(bytes).map_err(InvalidInput::from_json)?;
    if header.schema_version != SCHEMA_VERSION {
        return Err(InvalidInput::Version(header.schema_version));
    }
    match header.kind.as_deref() {
        Some(ACCOUNT_KIND) => {
            let result = serde_json::from_slice(bytes).map_err(InvalidInput::from_json)?;
            Ok(FleetInput::Account(Box::new(result)))
        }
        Some(COLLECTION_KIND) => {
            let collection = serde_json::from_slice(bytes).map_err(InvalidInput::from_json)?;
            Ok(FleetInput::Collection(Box::new(collection)))
        }
        _ => Err(InvalidInput::OtherKind),
    }
}

/// Why a file cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    #[error("the file is empty: the job that writes it did not finish")]
    Empty,
    #[error("the file is cut off: {0}")]
    Cut(String),
    #[error("the file is not a result of a fleet: {0}")]
    Other(String),
    #[error("the file is not written by `keytide fleet audit` or `keytide fleet collect`")]
    OtherKind,
    #[error("the file has schema_version {0}; this keytide reads {SCHEMA_VERSION}")]
    Version(u32),
}

impl InvalidInput {
    fn from_json(error: serde_json::Error) -> Self {
        match (error.classify(), error.line(), error.column()) {
            (serde_json::error::Category::Eof, 1, 0) => Self::Empty,
            (serde_json::error::Category::Eof, ..) => Self::Cut(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}
