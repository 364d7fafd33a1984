//! Why a request to a service did not succeed, and what is known of what it did.

use std::fmt;

use crate::rotation::Observed;

pub type BackendResult<T> = Result<T, BackendError>;

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendError {
    pub kind: ErrorKind,
    /// A permission is missing: the service refused, or the run was given no token for it.
    pub is_access_denied: bool,
    /// What happened, in half a sentence; it may quote the service.
    pub message: String,
}

/// What is known of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It was not applied; a later attempt may succeed.
    NotApplied,
    /// It was not applied, and repeating it will not help.
    Rejected,
    /// It was not applied, because another writer was first.
    Conflict,
    /// It was not applied, because its object does not exist.
    NotFound,
    /// It was applied, or it was not, or it will be.
    Indeterminate,
}

impl BackendError {
    pub fn new(outcome: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind: outcome, is_access_denied: false, message: what.into() }
    }
}

impl<T> From<&BackendError> for Observed<T> {
    fn from(why: &BackendError) -> Self {
        let message = why.message.clone().into();
        if why.is_access_denied { Self::Denied(message) } else { Self::Unknown(message) }
    }
}

impl<T> From<BackendResult<T>> for Observed<T> {
    fn from(result: BackendResult<T>) -> Self {
        result.map_or_else(|why| Self::from(&why), Self::Known)
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
