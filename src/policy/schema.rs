//! The JSON Schema of the policy file, for editors and for the shape check. It is generated from the types by
//! `cargo bless --test repository`; the program reads the files that were generated, so that it holds no generator.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, transform::Transform};
use serde_json::{Value, json};

use super::file::{BaseFile, LOCATED, PolicyFile};
use super::scalar::{ONE_OF, RuleName, Scalar};

/// The schema for editors, without its white space, which is a third of it.
const PUBLISHED: &str = include_str!("policy.schema.json");
/// The schema of the policy file for the shape check.
pub const POLICY_SHAPE: &str = include_str!("policy.shape.json");
/// The schema of presets and base files for the shape check.
pub const BASE_SHAPE: &str = include_str!("base.shape.json");

/// Reads the schema of a shape check.
pub(super) fn read_shape(text: &str) -> Value {
    // A test generates each again; without one every field would be an error.
    serde_json::from_str(text).unwrap_or_default()
}

/// The schema as editors read it, `policies/schema.json`.
pub fn published_text() -> String {
    // A test compares it with that file
    serde_json::to_string_pretty(&read_shape(PUBLISHED)).unwrap_or_default() + "\n"
}

/// Generates [`PUBLISHED`]. `rules` are the names that an exemption may list.
pub fn published_schema(rules: &[&str]) -> Value {
    publish_schema::<PolicyFile>("keytide policy file", rules)
}

/// Generates the schema of a kind of file for editors, which know none of the keywords that only keytide knows.
pub fn publish_schema<T: JsonSchema>(title: &str, rules: &[&str]) -> Value {
    let mut schema = generate_schema::<T>();
    replace_internal_keywords(&mut schema, rules);
    schema["title"] = json!(title);
    schema
}

/// Generates [`POLICY_SHAPE`] and [`BASE_SHAPE`].
pub fn shape_schemas() -> [Value; 2] {
    [shape_schema::<PolicyFile>(), shape_schema::<BaseFile>()]
}

/// Generates the schema of a kind of file for the shape check: with the keywords that only keytide knows, and without
/// those that only editors read.
pub fn shape_schema<T: JsonSchema>() -> Value {
    let mut schema = generate_schema::<T>();
    strip_texts(&mut schema);
    schema
}

/// What explains a schema, and says nothing of what a file may hold.
const TEXT_FIELDS: [&str; 4] = ["$schema", "description", "pattern", "title"];

fn strip_texts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_texts),
        Value::Object(fields) => {
            // A field of the file with such a name has an object here.
            fields.retain(|name, inner| !inner.is_string() || !TEXT_FIELDS.contains(&name.as_str()));
            fields.values_mut().for_each(strip_texts);
        }
        _ => {}
    }
}

fn generate_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(WithoutNull);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Takes `null` out of the schema: schemars allows it for an `Option`, a policy file leaves the field out.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        let mut value = std::mem::take(schema).to_value();
        strip_null(&mut value);
        if let Ok(stripped) = value.try_into() {
            *schema = stripped;
        }
    }
}

fn strip_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_null),
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
                any.retain(|s| s.get("type").is_none_or(|t| t != "null"));
                if let [Value::Object(only)] = any.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    only.into_iter().for_each(|(name, inner)| {
                        fields.entry(name).or_insert(inner);
                    });
                }
            }
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            fields.values_mut().for_each(strip_null);
        }
        _ => {}
    }
}

/// Removes the keywords that only keytide knows and adds the rule names, which editors complete.
fn replace_internal_keywords(value: &mut Value, rules: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_internal_keywords(item, rules)),
        Value::Object(fields) => {
            // Editors warn about keywords and formats that they do not know.
            fields.remove(LOCATED);
            if let Some(Value::Array(names)) = fields.remove(ONE_OF) {
                let any: Vec<Value> = names.into_iter().map(|name| json!({ "required": [name] })).collect();
                fields.insert("anyOf".to_owned(), any.into());
            }
            let ours =
                fields.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("keytide-"));
            if fields.get("format").is_some_and(|f| f == RuleName::FORMAT) {
                fields.insert("enum".to_owned(), json!(rules));
            }
            if ours {
                fields.remove("format");
            }
            fields.values_mut().for_each(|inner| replace_internal_keywords(inner, rules));
        }
        _ => {}
    }
}
