//! Defines the places where an expression has a value of its own: the instances of a resource, and the passes of a `for`.

use std::rc::Rc;

use super::value::{MAX_ELEMENTS, Value};

/// The names that have a value only in one place: one pass of `for_each`, `count` or `for`.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    each: Option<(Value, Value)>,
    index: Option<u64>,
    bindings: Vec<(Rc<str>, Value)>,
}

/// The instances of a resource.
pub enum Instances {
    One,
    Counted(Vec<Scope>),
    /// With the key of each.
    Keyed(Vec<(String, Scope)>),
    /// Their number is computed.
    Unknown,
}

impl Scope {
    /// The scope of one pass of a `for` in this one.
    pub fn bind(&self, names: &[Rc<str>], values: impl IntoIterator<Item = Value>) -> Self {
        let mut inner = self.clone();
        inner.bindings.extend(names.iter().cloned().zip(values));
        inner
    }

    /// How many values a copy of it has.
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// `count.index`.
    pub fn count_index(&self) -> Value {
        self.index.map_or(Value::Unknown, Value::Number)
    }

    pub fn binding(&self, name: &str) -> Value {
        let found = self.bindings.iter().rev().find(|(known, _)| **known == *name);
        found.map_or(Value::Unknown, |(_, value)| value.clone())
    }

    pub fn each_part(&self, name: &str) -> Value {
        match (&self.each, name) {
            (Some((key, _)), "key") => key.clone(),
            (Some((_, value)), "value") => value.clone(),
            _ => Value::Unknown,
        }
    }
}

pub fn count_instances(count: &Value) -> Instances {
    match count {
        Value::Number(count) if *count <= MAX_ELEMENTS as u64 => Instances::Counted(
            (0..*count).map(|index| Scope { index: Some(index), ..Scope::default() }).collect(),
        ),
        _ => Instances::Unknown,
    }
}

/// Of a set, the key of an element is the element.
pub fn key_instances(collection: &Value) -> Instances {
    let Some(entries) = collection.entries() else { return Instances::Unknown };
    let is_set = matches!(collection, Value::List(_));
    let mut instances = Vec::new();
    for (key, value) in entries {
        let key = if is_set { value.clone() } else { key };
        let Some(text) = key.to_text() else { return Instances::Unknown };
        instances.push((text, Scope { each: Some((key, value)), ..Scope::default() }));
    }
    Instances::Keyed(instances)
}
