//! Checks the tree of a policy file against its JSON Schema, the one that editors use, and returns plain values for
//! serde.
//!
//! serde would stop at the first error and forget positions. This check reports every error at its position and leaves
//! the wrong value out, so that one wrong field does not hide the errors of the next. It understands only the schema
//! keywords that schemars writes for the types of [`super::file`]; it is not a general validator.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};

use super::file::LOCATED;
use super::scalar::{self, ONE_OF, RuleName, Scalar};
use super::suggest::{is_near, quote_names, suggest_name};
use crate::diagnostic::SourceFault;
use crate::sanitize::{hide_possible_secrets, shorten};
use crate::yaml::{NodeKind, YamlField, YamlNode};

/// How many characters of a wrong value a message quotes.
const MAX_SHOWN: usize = 80;

/// A schema, the rules that an exemption may name, and the errors so far.
pub struct ShapeChecker<'a> {
    root: &'a Json,
    rules: &'a [&'a str],
    /// The name of the innermost field that is being checked, for messages.
    field: String,
    pub faults: Vec<SourceFault>,
}

impl<'a> ShapeChecker<'a> {
    /// `faults` are those that the strict reading found.
    pub fn new(root: &'a Json, rules: &'a [&'a str], faults: Vec<SourceFault>) -> Self {
        Self { root, rules, field: String::new(), faults }
    }
}

impl ShapeChecker<'_> {
    /// Returns the value for serde, or `None` after reporting why there is none.
    pub fn check_value(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        if schema.get(LOCATED).is_some() {
            let value = self.check_plain_value(node, schema)?;
            return Some(with_position(node, value));
        }
        self.check_plain_value(node, schema)
    }

    fn check_plain_value(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        // The strict reading has reported the alias already.
        if matches!(node.kind, NodeKind::Alias(_)) {
            return None;
        }
        let schema = self.resolve_ref(schema);
        if let Some(variants) = schema.get("oneOf").and_then(Json::as_array) {
            return self.check_variant(node, variants);
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            return self.check_keyword(node, &words.iter().filter_map(Json::as_str).collect::<Vec<_>>());
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("object") => self.check_mapping(node, schema),
            Some("array") => self.check_list(node, schema),
            Some("integer") => self.check_integer(node, schema),
            Some("boolean") => self.check_bool(node),
            _ => self.check_text(node, schema),
        }
    }

    /// Follows `$ref` into the definitions of the root.
    fn resolve_ref<'s>(&self, schema: &'s Json) -> &'s Json
    where
        Self: 's,
    {
        let name = schema.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        match name.and_then(|name| self.root.get("$defs")?.get(name)) {
            Some(found) => found,
            None => schema,
        }
    }

    fn check_mapping(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let fields = match &node.kind {
            NodeKind::Map(fields) => fields.as_slice(),
            // `rotation:` without a value is an empty section.
            _ if node.plain_text().is_some_and(is_null) => &[],
            _ => return self.report_type_mismatch(node, "a mapping (`name: value` lines)"),
        };
        let mut out = Mapping::new();
        let mut is_valid = true;
        for field in fields {
            match self.check_property(field, schema) {
                CheckedProperty::Valid(value) => {
                    out.insert(field.name().into(), value);
                }
                // serde can do without an optional field, and so the errors of the others are found as well.
                CheckedProperty::Invalid { required } => is_valid &= !required,
                CheckedProperty::Unknown => {}
            }
        }
        for name in required_fields(schema).chain(missing_choice(schema, fields)) {
            if !fields.iter().any(|field| field.name() == name) {
                is_valid = false;
                // It is there with a typing error, and the fault of that says so
                if !fields.iter().any(|field| !is_known(schema, field) && is_near(field.name(), name)) {
                    let fault = node.fault_at_node(format!("missing field `{name}`"));
                    self.faults.push(fault.with_help(format!("add `{name}: ...`")));
                }
            }
        }
        if is_valid { Some(Yaml::Mapping(out)) } else { None }
    }

    fn check_property(&mut self, field: &YamlField, schema: &Json) -> CheckedProperty {
        let known = schema.get("properties").and_then(Json::as_object);
        let any = schema.get("additionalProperties").filter(|s| s.is_object());
        let Some(inner) = known.and_then(|known| known.get(field.name())).or(any) else {
            let names: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let fault = field.key.fault_at_node(format!("unknown field `{}`", field.name()));
            self.faults.push(fault.with_help(suggest_name(field.name(), &names)));
            return CheckedProperty::Unknown;
        };
        // Messages name the innermost field, so the name is restored after the nested ones.
        let outer = std::mem::replace(&mut self.field, field.name().to_owned());
        let value = self.check_value(&field.value, inner);
        self.field = outer;
        match value {
            Some(value) => CheckedProperty::Valid(value),
            None => {
                let required = required_fields(schema).any(|name| name == field.name());
                CheckedProperty::Invalid { required }
            }
        }
    }

    /// Checks an enum: a mapping with exactly one of the known keys (serde's external tag), or one of several words.
    fn check_variant(&mut self, node: &YamlNode, variants: &[Json]) -> Option<Yaml> {
        let words: Vec<&str> = variants.iter().filter_map(|v| v.get("const")?.as_str()).collect();
        if !words.is_empty() {
            return self.check_keyword(node, &words);
        }
        let names: Vec<&str> = variants.iter().flat_map(required_fields).collect();
        let field = match &node.kind {
            NodeKind::Map(fields) if fields.len() == 1 => &fields[0],
            NodeKind::Map(fields) if fields.len() > 1 => {
                let message = format!("an entry has one kind; `{}` is a second one", fields[1].name());
                let fault = fields[1].key.fault_at_node(message);
                self.faults.push(fault.with_help("start a new entry with `- `"));
                return None;
            }
            _ => {
                return self
                    .report_type_mismatch(node, &format!("a mapping with one of {}", quote_names(&names)));
            }
        };
        let name = field.name();
        // The kinds come from the schema, so this module needs no list of destinations.
        let Some(variant) = variants.iter().find(|v| required_fields(v).any(|known| known == name)) else {
            let fault = field.key.fault_at_node(format!("unknown kind `{name}`"));
            self.faults.push(fault.with_help(suggest_name(name, &names)));
            return None;
        };
        let inner = self.check_value(&field.value, &variant["properties"][name])?;
        Some(Yaml::Mapping([(name.into(), inner)].into_iter().collect()))
    }

    fn check_list(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let NodeKind::List(items) = &node.kind else {
            return self.report_type_mismatch(node, "a list (`- ` lines or `[...]`)");
        };
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let fault = node.fault_at_node(format!("`{}` is an empty list", self.field));
            self.faults.push(fault.with_help("add an entry"));
            return None;
        }
        let values: Vec<Option<Yaml>> =
            items.iter().map(|item| self.check_item(item, &schema["items"])).collect();
        Some(Yaml::Sequence(values.into_iter().flatten().collect()))
    }

    /// Checks an entry of a list. An entry with any error is left out: what its fields mean together is not known, and
    /// the checks between fields would report errors that follow from the first.
    fn check_item(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let before = self.faults.len();
        self.check_value(node, schema).filter(|_| self.faults.len() == before)
    }

    fn check_text(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let Some(text) = node.scalar_text() else { return self.report_type_mismatch(node, "a string") };
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        let checked = scalar::check_format(format, text);
        // A plain `012345678901` is a number to other readers of YAML, which would drop the zero.
        if let Some(found) = node.plain_text().and_then(non_string_type) {
            let fault = node.fault_at_node(format!("expected a string, found {found}"));
            let help = match checked {
                Some(Err(error)) => error.help(),
                _ if is_null(text) => "write a value, or remove the field".to_owned(),
                _ => format!("put it in quotes: `\"{text}\"`"),
            };
            self.faults.push(fault.with_help(help));
            return None;
        }
        if let Some(Err(error)) = checked {
            let fault = node.fault_at_node(error.message(&self.field, &quote_value(text)));
            self.faults.push(fault.with_help(error.help()));
            return None;
        }
        if text.is_empty() && schema.get("minLength").is_some() {
            self.faults.push(node.fault_at_node(format!("`{}` is empty", self.field)));
            return None;
        }
        if format == RuleName::FORMAT && !self.rules.contains(&text) {
            let message = format!("`{}` is not a rule that can be exempted", quote_value(text));
            self.faults.push(node.fault_at_node(message).with_help(suggest_name(text, self.rules)));
            return None;
        }
        Some(Yaml::String(text.to_owned()))
    }

    fn check_keyword(&mut self, node: &YamlNode, words: &[&str]) -> Option<Yaml> {
        match node.scalar_text() {
            Some(text) if words.contains(&text) => Some(Yaml::String(text.to_owned())),
            Some(text) => {
                let fault =
                    node.fault_at_node(format!("unknown value `{}` for `{}`", quote_value(text), self.field));
                self.faults.push(fault.with_help(suggest_name(text, words)));
                None
            }
            None => self.report_type_mismatch(node, &format!("one of {}", quote_names(words))),
        }
    }

    fn check_integer(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        // Digits only: other readers of YAML take `1_000`, `0x10` or `1e3` for different numbers.
        let Some(text) = node.plain_text().filter(|text| is_whole_number(text)) else {
            return self.report_type_mismatch(node, "a whole number");
        };
        let least = schema.get("minimum").and_then(Json::as_u64).unwrap_or(0);
        let most = schema.get("maximum").and_then(Json::as_u64).unwrap_or(u64::MAX);
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number.into()),
            _ => {
                self.report_out_of_range(node, &quote_value(text), least, most);
                None
            }
        }
    }

    fn report_out_of_range(&mut self, node: &YamlNode, text: &str, least: u64, most: u64) {
        let field = &self.field;
        let fault = if least == most {
            // Only `version` has a range of one number.
            node.fault_at_node(format!("unsupported {field} {text}; this keytide reads {field} {least}"))
        } else {
            node.fault_at_node(format!("`{field}` is {text}; it must be a number from {least} to {most}"))
        };
        self.faults.push(fault);
    }

    fn check_bool(&mut self, node: &YamlNode) -> Option<Yaml> {
        match node.plain_text() {
            Some("true") => Some(true.into()),
            Some("false") => Some(false.into()),
            _ => self.report_type_mismatch(node, "`true` or `false`"),
        }
    }

    fn report_type_mismatch(&mut self, node: &YamlNode, expected: &str) -> Option<Yaml> {
        let found = match &node.kind {
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Alias(_) => "an alias",
            NodeKind::Scalar { .. } => node.plain_text().and_then(non_string_type).unwrap_or("a string"),
        };
        self.faults.push(node.fault_at_node(format!("expected {expected}, found {found}")));
        None
    }
}

/// A wrong value as a message quotes it. What may be a secret is hidden before the rest is cut off: its beginning alone
/// would not look like one.
fn quote_value(text: &str) -> String {
    shorten(&hide_possible_secrets(text), MAX_SHOWN)
}

enum CheckedProperty {
    Valid(Yaml),
    Invalid { required: bool },
    Unknown,
}

fn with_position(node: &YamlNode, value: Yaml) -> Yaml {
    let at: Mapping = [("line".into(), node.at.line.into()), ("column".into(), node.at.column.into())]
        .into_iter()
        .collect();
    Yaml::Mapping([("at".into(), Yaml::Mapping(at)), ("value".into(), value)].into_iter().collect())
}

/// Whether the schema has a field of this name.
fn is_known(schema: &Json, field: &YamlField) -> bool {
    let known = schema.get("properties").and_then(Json::as_object);
    known.is_some_and(|known| known.contains_key(field.name()))
}

/// The first of the fields of which one is required, when all are missing.
fn missing_choice<'s>(schema: &'s Json, fields: &[YamlField]) -> Option<&'s str> {
    let names = schema.get(ONE_OF).and_then(Json::as_array)?;
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    let is_there = names.iter().any(|name| fields.iter().any(|field| field.name() == *name));
    names.first().copied().filter(|_| !is_there)
}

fn required_fields(schema: &Json) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Returns what a plain scalar is in YAML 1.2 when it is not a string (core schema, section 10.3).
fn non_string_type(text: &str) -> Option<&'static str> {
    if is_null(text) {
        Some("an empty value")
    } else if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
        Some("a boolean")
    } else if text.parse::<f64>().is_ok()
        && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    {
        Some("a number")
    } else {
        None
    }
}

fn is_whole_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
