//! Defines the value of an expression, as far as it is known without Terraform.

use std::rc::Rc;

use super::work::WorkBudget;

/// How many elements a collection may have.
pub const MAX_ELEMENTS: usize = 200;
/// How many bytes a text may have: the name of a user has 128 at most.
pub const MAX_TEXT_BYTES: usize = 256;

/// A value. Collections are shared: a copy of a copy must not make a small file grow in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(u64),
    Bool(bool),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(String, Value)>>),
    /// A collection of unknown length whose elements are all alike, such as a resource with a `count` that is computed.
    Repeated(Rc<Value>),
    Unknown,
}

impl Value {
    /// A text, if it is not too long.
    pub fn text(text: &str) -> Self {
        if text.len() > MAX_TEXT_BYTES { Self::Unknown } else { Self::Text(text.to_owned()) }
    }

    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub fn map(fields: Vec<(String, Self)>) -> Self {
        Self::Map(Rc::new(fields))
    }

    /// The text of a value inside of a template, or as the key of a map.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Whether it is known, and everything in it. A list can have one list many times, each of which counts.
    fn is_known(&self, work: &WorkBudget) -> bool {
        match self {
            _ if !work.spend(1) => false,
            Self::Text(_) | Self::Number(_) | Self::Bool(_) => true,
            Self::List(items) => items.iter().all(|item| item.is_known(work)),
            Self::Map(fields) => fields.iter().all(|(_, value)| value.is_known(work)),
            Self::Repeated(_) | Self::Unknown => false,
        }
    }

    /// Whether both are the same; `None` where one of them, or something in it, is not known.
    pub fn equals(&self, other: &Self, work: &WorkBudget) -> Option<bool> {
        (self.is_known(work) && other.is_known(work)).then(|| self == other)
    }

    /// How many values a function reads of it.
    pub fn element_count(&self) -> usize {
        match self {
            Self::List(items) => items.len(),
            Self::Map(fields) => fields.len(),
            _ => 1,
        }
    }

    /// `value.name`.
    pub fn attribute(&self, name: &str) -> Self {
        match self {
            Self::Map(fields) => fields
                .iter()
                .find(|(known, _)| known == name)
                .map_or(Self::Unknown, |(_, value)| value.clone()),
            _ => Self::Unknown,
        }
    }

    /// `value[key]`.
    pub fn element(&self, key: &Self) -> Self {
        match (self, key) {
            (Self::Repeated(item), _) => Self::clone(item),
            (Self::List(items), Self::Number(index)) => usize::try_from(*index)
                .ok()
                .and_then(|index| items.get(index))
                .cloned()
                .unwrap_or(Self::Unknown),
            (Self::Map(_), key) => key.to_text().map_or(Self::Unknown, |key| self.attribute(&key)),
            _ => Self::Unknown,
        }
    }

    /// The elements of a list or the fields of a map, each with its key; `None` when they are not known.
    pub fn entries(&self) -> Option<Vec<(Self, Self)>> {
        let mut entries = Vec::new();
        match self {
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    entries.push((Self::Number(index as u64), item.clone()));
                }
            }
            Self::Map(fields) => {
                for (key, value) in fields.iter() {
                    entries.push((Self::Text(key.clone()), value.clone()));
                }
            }
            _ => return None,
        }
        Some(entries)
    }
}
