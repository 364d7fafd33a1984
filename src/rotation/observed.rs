//! [`Observed`]: a fact that was read, or the reason why it could not be read.

use std::borrow::Cow;

const NOT_ASKED: &str = "not asked";

/// A fact that may be unknown. An `Unknown` never enables a step that deactivates or deletes a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Observed<T> {
    Known(T),
    /// Why it could not be read, in half a sentence.
    Unknown(Cow<'static, str>),
}

impl<T> Observed<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// # Errors
    /// Why it is not known.
    pub fn known_or_reason(&self) -> Result<&T, &str> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(why) => Err(why),
        }
    }

    pub fn unknown(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown(why.into())
    }

    /// A fact that nothing depends on now, so it was not read.
    pub fn not_asked() -> Self {
        Self::Unknown(Cow::Borrowed(NOT_ASKED))
    }

    /// Why a fact could not be read that was asked for.
    pub fn read_failure(&self) -> Option<&str> {
        self.known_or_reason().err().filter(|why| *why != NOT_ASKED)
    }
}

impl<T, E: ToString> From<Result<T, E>> for Observed<T> {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|why| Self::Unknown(why.to_string().into()), Self::Known)
    }
}
