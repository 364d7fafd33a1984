//! Computes the few functions of Terraform that names of users are made with; the result of every other is unknown.

use std::collections::HashMap;

use super::value::Value;

/// Calls a function with evaluated arguments.
pub fn call_function(name: &str, arguments: &[Value]) -> Value {
    match (name, arguments) {
        ("toset" | "tolist" | "tomap" | "tostring" | "distinct" | "nonsensitive", [value]) => value.clone(),
        ("length", [value]) => value.entries().map_or(Value::Unknown, |all| Value::Number(all.len() as u64)),
        ("element", [list, index]) => take_element(list, index),
        ("one", [Value::List(items)]) if items.len() == 1 => items[0].clone(),
        ("one", [Value::Repeated(item)]) => Value::clone(item),
        ("keys", [Value::Map(fields)]) => {
            Value::list(fields.iter().map(|(key, _)| Value::Text(key.clone())).collect())
        }
        ("values", [Value::Map(fields)]) => {
            Value::list(fields.iter().map(|(_, value)| value.clone()).collect())
        }
        ("lower", [Value::Text(text)]) => Value::text(&text.to_lowercase()),
        ("upper", [Value::Text(text)]) => Value::text(&text.to_uppercase()),
        ("trimspace", [Value::Text(text)]) => Value::text(text.trim()),
        ("concat", lists) => concatenate(lists),
        ("merge", maps) => merge(maps),
        ("join", [Value::Text(separator), Value::List(items)]) => {
            let texts: Option<Vec<String>> = items.iter().map(Value::to_text).collect();
            texts.map_or(Value::Unknown, |texts| Value::text(&texts.join(separator)))
        }
        _ => Value::Unknown,
    }
}

/// `element(list, index)` begins again after the last element.
fn take_element(list: &Value, index: &Value) -> Value {
    match (list, index) {
        (Value::List(items), Value::Number(index)) if !items.is_empty() => {
            list.element(&Value::Number(index % items.len() as u64))
        }
        (Value::Repeated(item), _) => Value::clone(item),
        _ => Value::Unknown,
    }
}

fn concatenate(lists: &[Value]) -> Value {
    let mut all = Vec::new();
    for list in lists {
        let Value::List(items) = list else { return Value::Unknown };
        all.extend(items.iter().cloned());
    }
    Value::list(all)
}

fn merge(maps: &[Value]) -> Value {
    let (mut all, mut places) = (Vec::new(), HashMap::new());
    for map in maps {
        let Value::Map(fields) = map else { return Value::Unknown };
        for field in fields.iter() {
            if let Some(earlier) = places.insert(field.0.as_str(), all.len()) {
                all[earlier] = None;
            }
            all.push(Some(field.clone()));
        }
    }
    Value::map(all.into_iter().flatten().collect())
}
