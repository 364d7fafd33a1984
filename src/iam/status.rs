//! Defines the status of an access key, with those that IAM may add later.

use std::fmt;

/// The status of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStatus {
    Active,
    Inactive,
    Expired,
    /// A status that AWS has added since.
    Other(String),
}

impl KeyStatus {
    /// Whether the key may be able to sign requests. An unknown status counts as able.
    pub fn can_sign(&self) -> bool {
        matches!(self, Self::Active | Self::Other(_))
    }
}

impl From<&str> for KeyStatus {
    fn from(text: &str) -> Self {
        match text {
            "Active" => Self::Active,
            "Inactive" => Self::Inactive,
            "Expired" => Self::Expired,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Inactive => f.write_str("inactive"),
            Self::Expired => f.write_str("expired"),
            Self::Other(text) => f.write_str(text),
        }
    }
}
