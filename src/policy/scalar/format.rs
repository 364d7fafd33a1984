//! Defines what all strings with a format share: how they are parsed, refused, and described in the JSON Schema.

use std::fmt;

/// Why a string is not a value of its type, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarError {
    /// The string does not have the format of the type.
    Invalid { noun: &'static str, help: String },
    /// The duration is shorter than its field allows.
    TooShort { minimum: &'static str, reason: &'static str },
}

impl ScalarError {
    pub(super) fn invalid(noun: &'static str, help: impl Into<String>) -> Self {
        Self::Invalid { noun, help: help.into() }
    }

    /// Returns the message about a field and the string that it has.
    pub fn message(&self, field: &str, text: &str) -> String {
        match self {
            Self::Invalid { noun, .. } => format!("invalid {noun} `{text}`"),
            Self::TooShort { minimum, .. } => format!("`{field}` is {text}; the minimum is {minimum}"),
        }
    }

    /// Returns what to write instead, or why.
    pub fn help(&self) -> String {
        match self {
            Self::Invalid { help, .. } => help.clone(),
            Self::TooShort { reason, .. } => (*reason).to_owned(),
        }
    }
}

impl fmt::Display for ScalarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.help())
    }
}

impl std::error::Error for ScalarError {}

/// A string with a format.
pub trait Scalar: Sized {
    /// The `format` in the JSON Schema.
    const FORMAT: &'static str;
    /// A regular expression for editors; never stricter than `parse`.
    const PATTERN: &'static str;
    /// Parses the string.
    ///
    /// # Errors
    /// The string does not have the format.
    fn parse(text: &str) -> Result<Self, ScalarError>;
}

/// Reads a [`Scalar`] as a string of the policy file, and describes it in the schema.
macro_rules! scalar {
    ($type:ty, $name:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": Self::FORMAT, "pattern": Self::PATTERN })
            }
        }
    };
}

pub(super) use scalar;
