//! A part of an account: an account with too many users for the time of one job is audited by several.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::sha256_hex;

/// The most parts of an account: IAM allows 5,000 users.
const MAX_PARTS: u32 = 100;

/// `2/3` is the second of three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Part {
    pub number: u32,
    pub of: u32,
}

/// A text that is not a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a part such as 2/3, at most {MAX_PARTS}/{MAX_PARTS}")]
pub struct InvalidPart;

impl Part {
    /// The only part of an account that is not divided.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Whether a user belongs to this part. By the name alone, so that jobs agree without talking to each other.
    pub fn has_user(self, name: &str) -> bool {
        if self.is_whole() {
            return true;
        }
        // IAM's names are unique regardless of case, and a policy file may write one in another case.
        let digest = sha256_hex(name.to_lowercase().as_bytes());
        let number = u32::from_str_radix(&digest[..8], 16).unwrap_or_default();
        number % self.of == self.number - 1
    }
}

impl FromStr for Part {
    type Err = InvalidPart;

    fn from_str(text: &str) -> Result<Self, InvalidPart> {
        let (number, of) = text.split_once('/').ok_or(InvalidPart)?;
        let part = Self {
            number: number.parse().map_err(|_| InvalidPart)?,
            of: of.parse().map_err(|_| InvalidPart)?,
        };
        let is_valid = (1..=MAX_PARTS).contains(&part.of) && (1..=part.of).contains(&part.number);
        // One spelling only: a number may have a sign or zeros before it
        if is_valid && part.to_string() == text { Ok(part) } else { Err(InvalidPart) }
    }
}

impl TryFrom<String> for Part {
    type Error = InvalidPart;

    fn try_from(text: String) -> Result<Self, InvalidPart> {
        text.parse()
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.to_string()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_belongs_to_one_part_and_parts_are_of_a_size() {
        let parts: Vec<Part> = (1..=4).map(|number| Part { number, of: 4 }).collect();
        let mut sizes = [0; 4];
        for user in 0..1000 {
            let name = format!("Service-{user}");
            let of: Vec<usize> = (0..4).filter(|index| parts[*index].has_user(&name)).collect();
            assert_eq!(of.len(), 1, "{name}");
            assert!(parts[of[0]].has_user(&name.to_lowercase()));
            sizes[of[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (200..300).contains(size)), "{sizes:?}");
    }

    #[test]
    fn a_part_is_a_number_of_a_number() {
        assert_eq!("2/3".parse(), Ok(Part { number: 2, of: 3 }));
        for text in ["", "2", "0/3", "4/3", "1/0", "1/101", "-1/2", "+1/2", "01/2", "a/b"] {
            assert_eq!(text.parse::<Part>(), Err(InvalidPart), "{text}");
        }
    }
}
