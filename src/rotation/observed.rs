//! [`Observed`]: a fact that was read, or the reason why it could not be read.

use std::borrow::Cow;

/// A fact that may be unknown. An `Unknown` never enables a step that deactivates or deletes a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Observed<T> {
    Known(T),
    /// Why it could not be read, in half a sentence.
    Unknown(Cow<'static, str>),
    /// The same, where the run lacks a permission.
    Denied(Cow<'static, str>),
    /// Nothing depends on it now, so it was not read.
    NotAsked,
}

impl<T> Observed<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) | Self::Denied(_) | Self::NotAsked => None,
        }
    }

    /// Whether it could not be read although no permission is missing.
    pub fn has_failed(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// # Errors
    /// Why it is not known.
    pub fn known_or_reason(&self) -> Result<&T, &str> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(why) | Self::Denied(why) => Err(why),
            Self::NotAsked => Err("not asked"),
        }
    }

    pub fn unknown(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown(why.into())
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Known(value) => Observed::Known(change(value)),
            Self::Unknown(why) => Observed::Unknown(why),
            Self::Denied(why) => Observed::Denied(why),
            Self::NotAsked => Observed::NotAsked,
        }
    }

    /// Why a fact could not be read that was asked for.
    pub fn read_failure(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) | Self::Denied(why) => Some(why),
            Self::Known(_) | Self::NotAsked => None,
        }
    }
}
