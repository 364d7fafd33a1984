//! Tree → plain value: every deviation from the JSON Schema at once, each where it stands.
//!
//! serde would stop at the first error and forget the place. This walk follows the same schema that editors use;
//! what does not fit is told and left out, so that one wrong field does not hide the errors of the next.
//! Only what schemars writes for our own types is understood: it is no general schema validator.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};

use super::file::LOCATED;
use super::scalar::{self, RuleName, Scalar};
use crate::yaml::strict::{NodeKind, SourceFault, YamlField, YamlNode};

/// A schema, the rules an exemption may name, and what was found wrong so far.
pub struct ShapeChecker<'a> {
    pub root: &'a Json,
    pub rules: &'a [&'a str],
    pub faults: Vec<SourceFault>,
}

impl ShapeChecker<'_> {
    /// The value that serde may read, or `None` after telling why not.
    pub fn check_value(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        if schema.get(LOCATED).is_some() {
            let value = self.check_plain_value(node, schema)?;
            return Some(with_position(node, value));
        }
        self.check_plain_value(node, schema)
    }

    fn check_plain_value(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        if node.kind == NodeKind::Refused {
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
            // The root lives as long as the walk; the walk only ever hands out parts of it.
            Some(found) => found,
            None => schema,
        }
    }

    fn check_mapping(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let fields = match &node.kind {
            NodeKind::Map(fields) => fields.as_slice(),
            // `rotation:` with nothing behind it is an empty section.
            NodeKind::Scalar { text, plain: true } if is_null(text) => &[],
            _ => return self.report_type_mismatch(node, "a mapping (`name: value` lines)"),
        };
        let mut out = Mapping::new();
        let mut sound = true;
        for field in fields {
            match self.check_property(field, schema) {
                CheckedProperty::Valid(value) => drop(out.insert(field.key.clone().into(), value)),
                CheckedProperty::Invalid { required } => sound &= !required,
                CheckedProperty::Unknown => {}
            }
        }
        for name in required_fields(schema) {
            if !fields.iter().any(|field| field.key == name) {
                sound = false;
                self.faults.push(
                    node.fault_at_node(format!("`{name}` is missing"))
                        .with_help(format!("add `{name}: ...`")),
                );
            }
        }
        sound.then_some(Yaml::Mapping(out))
    }

    fn check_property(&mut self, field: &YamlField, schema: &Json) -> CheckedProperty {
        let known = schema.get("properties").and_then(Json::as_object);
        let any = schema.get("additionalProperties").filter(|s| s.is_object());
        let Some(inner) = known.and_then(|known| known.get(&field.key)).or(any) else {
            let names: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let fault = field.fault_at_key(format!("unknown field `{}`", field.key));
            self.faults.push(fault.with_help(suggest_name(&field.key, &names)));
            return CheckedProperty::Unknown;
        };
        match self.check_value(&field.value, inner) {
            Some(value) => CheckedProperty::Valid(value),
            None => {
                CheckedProperty::Invalid { required: required_fields(schema).any(|name| name == field.key) }
            }
        }
    }

    /// An externally tagged enum: a mapping with exactly one of the known keys; or one word of several.
    fn check_variant(&mut self, node: &YamlNode, variants: &[Json]) -> Option<Yaml> {
        let words: Vec<&str> = variants.iter().filter_map(|v| v.get("const")?.as_str()).collect();
        if !words.is_empty() {
            return self.check_keyword(node, &words);
        }
        let names: Vec<&str> = variants.iter().flat_map(required_fields).collect();
        let field = match &node.kind {
            NodeKind::Map(fields) if fields.len() == 1 => &fields[0],
            NodeKind::Map(fields) if fields.len() > 1 => {
                let fault = fields[1].fault_at_key("one entry has one kind; a second begins here");
                self.faults.push(fault.with_help("begin a new entry with `- `"));
                return None;
            }
            _ => {
                return self
                    .report_type_mismatch(node, &format!("a mapping with one of {}", quoted_list(&names)));
            }
        };
        let Some(variant) = variants.iter().find(|v| required_fields(v).any(|name| name == field.key)) else {
            let fault = field.fault_at_key(format!("unknown kind `{}`", field.key));
            self.faults.push(fault.with_help(suggest_name(&field.key, &names)));
            return None;
        };
        let inner = self.check_value(&field.value, &variant["properties"][&field.key])?;
        Some(Yaml::Mapping([(field.key.clone().into(), inner)].into_iter().collect()))
    }

    fn check_list(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let NodeKind::List(items) = &node.kind else {
            return self.report_type_mismatch(node, "a list (`- ` lines or `[...]`)");
        };
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            self.faults.push(node.fault_at_node(format!("this list needs at least {least} entry")));
            return None;
        }
        let values: Vec<Option<Yaml>> =
            items.iter().map(|item| self.check_item(item, &schema["items"])).collect();
        Some(Yaml::Sequence(values.into_iter().flatten().collect()))
    }

    /// An entry in which anything is wrong is left out: what its fields mean together cannot be judged.
    fn check_item(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let before = self.faults.len();
        self.check_value(node, schema).filter(|_| self.faults.len() == before)
    }

    fn check_text(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let NodeKind::Scalar { text, plain } = &node.kind else {
            return self.report_type_mismatch(node, "text");
        };
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        let judged = scalar::check_format(format, text);
        if *plain && let Some(kind) = non_text_type(text) {
            let fault = node.fault_at_node(format!("text is wanted here, and this is {kind}"));
            let help = match judged {
                Some(Err(help)) => help,
                _ if kind == "nothing" => "write a value, or remove the field".to_owned(),
                _ => format!("put it in quotes: `\"{text}\"`"),
            };
            self.faults.push(fault.with_help(help));
            return None;
        }
        if let Some(Err(help)) = judged {
            self.faults.push(
                node.fault_at_node(format!("`{}` does not fit here", truncate_text(text))).with_help(help),
            );
            return None;
        }
        if text.is_empty() && schema.get("minLength").is_some() {
            self.faults.push(node.fault_at_node("this text is empty"));
            return None;
        }
        if format == RuleName::FORMAT && !self.rules.contains(&text.as_str()) {
            let fault =
                node.fault_at_node(format!("there is no rule `{}` to exempt from", truncate_text(text)));
            self.faults.push(fault.with_help(suggest_name(text, self.rules)));
            return None;
        }
        Some(Yaml::String(text.clone()))
    }

    fn check_keyword(&mut self, node: &YamlNode, words: &[&str]) -> Option<Yaml> {
        match &node.kind {
            NodeKind::Scalar { text, .. } if words.contains(&text.as_str()) => {
                Some(Yaml::String(text.clone()))
            }
            NodeKind::Scalar { text, .. } => {
                let fault = node.fault_at_node(format!(
                    "`{}` is none of {}",
                    truncate_text(text),
                    quoted_list(words)
                ));
                self.faults.push(fault.with_help(suggest_name(text, words)));
                None
            }
            _ => self.report_type_mismatch(node, &format!("one of {}", quoted_list(words))),
        }
    }

    fn check_integer(&mut self, node: &YamlNode, schema: &Json) -> Option<Yaml> {
        let number = match &node.kind {
            NodeKind::Scalar { text, plain: true }
                if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Some(text.parse().unwrap_or(u64::MAX))
            }
            _ => None,
        };
        let Some(number) = number else { return self.report_type_mismatch(node, "a whole number") };
        let limit = |name: &str| schema.get(name).and_then(Json::as_u64);
        let (least, most) = (limit("minimum").unwrap_or(0), limit("maximum").unwrap_or(u64::MAX));
        if !(least..=most).contains(&number) {
            let range =
                if least == most { format!("{least}") } else { format!("a number from {least} to {most}") };
            self.faults.push(
                node.fault_at_node(format!("{number} does not fit here")).with_help(format!("write {range}")),
            );
            return None;
        }
        Some(number.into())
    }

    fn check_bool(&mut self, node: &YamlNode) -> Option<Yaml> {
        match &node.kind {
            NodeKind::Scalar { text, plain: true } if text == "true" => Some(true.into()),
            NodeKind::Scalar { text, plain: true } if text == "false" => Some(false.into()),
            _ => self.report_type_mismatch(node, "`true` or `false`"),
        }
    }

    fn report_type_mismatch(&mut self, node: &YamlNode, wanted: &str) -> Option<Yaml> {
        let found = match &node.kind {
            NodeKind::List(_) | NodeKind::Refused => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Scalar { text, plain: true } => non_text_type(text).unwrap_or("text"),
            NodeKind::Scalar { .. } => "text",
        };
        self.faults.push(node.fault_at_node(format!("{wanted} is wanted here, and this is {found}")));
        None
    }
}

enum CheckedProperty {
    Valid(Yaml),
    Invalid { required: bool },
    Unknown,
}

fn with_position(node: &YamlNode, value: Yaml) -> Yaml {
    let number = |n: u32| Yaml::Number(n.into());
    let at: Mapping = [("line".into(), number(node.at.line)), ("column".into(), number(node.at.column))]
        .into_iter()
        .collect();
    Yaml::Mapping([("at".into(), Yaml::Mapping(at)), ("value".into(), value)].into_iter().collect())
}

fn required_fields(schema: &Json) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// What a plain scalar is in YAML 1.2 when it is not text (core schema, section 10.3).
fn non_text_type(text: &str) -> Option<&'static str> {
    if is_null(text) {
        Some("nothing")
    } else if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
        Some("a truth value")
    } else if text.parse::<f64>().is_ok()
        && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    {
        Some("a number")
    } else {
        None
    }
}

/// "did you mean", or the whole list when nothing is close.
pub fn suggest_name(word: &str, names: &[&str]) -> String {
    let close = |name: &&&str| strsim::damerau_levenshtein(word, name) <= 1 + name.len() / 4;
    match names.iter().filter(close).min_by_key(|name| strsim::damerau_levenshtein(word, name)) {
        Some(name) if word.len() <= 64 => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", quoted_list(names)),
    }
}

fn quoted_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn truncate_text(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}
