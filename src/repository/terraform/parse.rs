//! Reads one file of Terraform or OpenTofu: its resources for IAM users and access keys, its variables and its local values.
//! `hcl-edit` parses the native syntax, the YAML reader the JSON syntax; both become expressions of `hcl-edit`.

use std::collections::HashMap;

use hcl_edit::expr::{Array, Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::parser::{parse_body, parse_template};
use hcl_edit::structure::{Block, Body};
use hcl_edit::template::{Element, StringTemplate};
use hcl_edit::{Decorated, Ident, Span};

use super::object_size::find_excessive_field;
use super::value::{MAX_ELEMENTS, MAX_TEXT_BYTES};
use crate::diagnostic::{Position, SourceText};
use crate::yaml::{NodeKind, ScalarStyle, YamlNode, parse_documents};

/// The resource that manages an access key.
pub const ACCESS_KEY: &str = "aws_iam_access_key";
/// The resource, or data source, that stands for an IAM user.
pub const IAM_USER: &str = "aws_iam_user";

/// The largest file that is parsed.
const MAX_BYTES: usize = 1024 * 1024;

/// The longest text of the JSON syntax that is parsed as a template: one can hold an object as well.
const MAX_TEMPLATE_BYTES: usize = 16 * MAX_TEXT_BYTES;

/// A name and the expression that is assigned to it.
pub type Assignment = (String, Expression);

/// What one file says.
#[derive(Debug, Default)]
pub struct ConfigFile {
    pub locals: Vec<Assignment>,
    /// The variables that are declared, each with its default.
    pub variables: Vec<(String, Option<Expression>)>,
    pub resources: Vec<Resource>,
    /// Of a `.tfvars` file, the values of variables.
    pub assignments: Vec<Assignment>,
}

/// A resource or a data source.
#[derive(Debug)]
pub struct Resource {
    pub is_data: bool,
    pub kind: String,
    pub name: String,
    pub at: Position,
    /// Of the block itself, not of the blocks in it.
    pub attributes: HashMap<String, Expression>,
}

/// Why a file was not read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub at: Position,
    pub message: String,
}

impl Resource {
    pub fn attribute(&self, name: &str) -> Option<&Expression> {
        self.attributes.get(name)
    }

    pub fn address(&self) -> String {
        format!("{}{}.{}", if self.is_data { "data." } else { "" }, self.kind, self.name)
    }
}

/// Whether the path is that of a configuration file.
pub fn is_terraform(path: &str) -> bool {
    [".tf", ".tofu", ".tf.json", ".tofu.json"].iter().any(|end| path.ends_with(end))
}

/// Whether the path is that of a configuration file, or of values for its variables.
pub fn is_terraform_input(path: &str) -> bool {
    is_terraform(path) || is_variable_values(path)
}

/// Whether the path is that of a file with values for variables.
pub fn is_variable_values(path: &str) -> bool {
    path.ends_with(".tfvars") || path.ends_with(".tfvars.json")
}

/// Reads a file; its name decides about the syntax.
///
/// # Errors
/// The file is too large or has a syntax error.
pub fn parse_config(path: &str, bytes: &[u8]) -> Result<ConfigFile, ConfigError> {
    if bytes.len() > MAX_BYTES {
        let message = format!("it is larger than {} KiB", MAX_BYTES / 1024);
        return Err(ConfigError { at: Position::START, message });
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if path.ends_with(".json") { parse_json(path, text) } else { parse_native(path, text) }
}

fn parse_native(path: &str, text: &str) -> Result<ConfigFile, ConfigError> {
    if let Some(offset) = find_excessive_field(text) {
        let at = SourceText::new(text).position(offset);
        return Err(ConfigError { at, message: "its objects have too many fields".to_owned() });
    }
    let body = parse_body(text).map_err(|error| {
        let (line, column) = (error.location().line() as u32, error.location().column() as u32);
        ConfigError { at: Position { line, column }, message: error.message().replace('\n', "; ") }
    })?;
    let mut config = ConfigFile::default();
    if is_variable_values(path) {
        config.assignments = collect_attributes(body);
        return Ok(config);
    }
    let source = SourceText::new(text);
    for block in body.into_blocks() {
        let at = source.position(block.ident.span().map_or(0, |span| span.start));
        config.add_block(block, at);
    }
    Ok(config)
}

fn collect_attributes(body: Body) -> Vec<Assignment> {
    let mut all = Vec::new();
    for attribute in body.into_attributes() {
        all.push((attribute.key.as_str().to_owned(), attribute.value));
    }
    all
}

/// The first value of each name: Terraform refuses a second one.
fn index_assignments(assignments: Vec<Assignment>) -> HashMap<String, Expression> {
    let mut index = HashMap::new();
    for (name, value) in assignments {
        index.entry(name).or_insert(value);
    }
    index
}

impl ConfigFile {
    fn add_block(&mut self, block: Block, at: Position) {
        let labels: Vec<String> = block.labels.iter().map(|label| label.as_str().to_owned()).collect();
        match (block.ident.as_str(), &labels[..]) {
            ("locals", []) => self.locals.extend(collect_attributes(block.body)),
            ("variable", [name]) => {
                let default = block.body.get_attribute("default").map(|default| default.value.clone());
                self.variables.push((name.clone(), default));
            }
            (mode @ ("resource" | "data"), [kind, name]) if is_known_kind(kind) => {
                self.resources.push(Resource {
                    is_data: mode == "data",
                    kind: kind.clone(),
                    name: name.clone(),
                    at,
                    attributes: index_assignments(collect_attributes(block.body)),
                });
            }
            _ => {}
        }
    }
}

fn is_known_kind(kind: &str) -> bool {
    kind == ACCESS_KEY || kind == IAM_USER
}

fn parse_json(path: &str, text: &str) -> Result<ConfigFile, ConfigError> {
    let documents =
        parse_documents(text).map_err(|error| ConfigError { at: error.at, message: error.message })?;
    let mut config = ConfigFile::default();
    let Some(root) = documents.first() else { return Ok(config) };
    if is_variable_values(path) {
        config.assignments = read_json_fields(root);
        return Ok(config);
    }
    // The JSON syntax has an object, or a list of objects, wherever the native syntax has blocks.
    for locals in read_json_section(root, "locals") {
        config.locals.extend(read_json_fields(locals));
    }
    for field in read_json_section(root, "variable").flat_map(YamlNode::fields) {
        for body in list_objects(&field.value) {
            config.variables.push((field.name().to_owned(), body.get("default").map(read_json_value)));
        }
    }
    for (section, is_data) in [("resource", false), ("data", true)] {
        for kind in read_json_section(root, section).flat_map(YamlNode::fields) {
            if is_known_kind(kind.name()) {
                config.add_json_resources(kind.name(), &kind.value, is_data);
            }
        }
    }
    Ok(config)
}

impl ConfigFile {
    fn add_json_resources(&mut self, kind: &str, named: &YamlNode, is_data: bool) {
        for field in list_objects(named).flat_map(YamlNode::fields) {
            for body in list_objects(&field.value) {
                self.resources.push(Resource {
                    is_data,
                    kind: kind.to_owned(),
                    name: field.name().to_owned(),
                    at: field.key.at,
                    attributes: index_assignments(read_json_fields(body)),
                });
            }
        }
    }
}

fn read_json_section<'n>(root: &'n YamlNode, name: &str) -> impl Iterator<Item = &'n YamlNode> {
    root.get(name).into_iter().flat_map(list_objects)
}

fn list_objects(node: &YamlNode) -> impl Iterator<Item = &YamlNode> {
    let items = node.items();
    let own = if items.is_empty() { Some(node) } else { None };
    own.into_iter().chain(items)
}

fn read_json_fields(node: &YamlNode) -> Vec<Assignment> {
    let mut fields = Vec::new();
    for field in node.fields().iter().filter(|field| field.name() != "//") {
        fields.push((field.name().to_owned(), read_json_value(&field.value)));
    }
    fields
}

fn read_json_value(node: &YamlNode) -> Expression {
    match &node.kind {
        // It has no value, and `hcl-edit` compares each new field of an object with all others.
        NodeKind::List(_) | NodeKind::Map(_)
            if node.items().len().max(node.fields().len()) > MAX_ELEMENTS =>
        {
            unknown_expression()
        }
        NodeKind::List(items) => Expression::Array(items.iter().map(read_json_value).collect::<Array>()),
        NodeKind::Map(_) => {
            let mut object = Object::new();
            for (name, value) in read_json_fields(node) {
                object.insert(ObjectKey::Expression(name.into()), ObjectValue::new(value));
            }
            Expression::Object(object)
        }
        NodeKind::Scalar { text, style: ScalarStyle::Plain } => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            number => number.parse::<u64>().map_or_else(|_| Expression::null(), Expression::from),
        },
        NodeKind::Scalar { text, .. } => read_json_text(text),
        NodeKind::Alias(_) => Expression::null(),
    }
}

/// A string of the JSON syntax is a template.
fn read_json_text(text: &str) -> Expression {
    if !text.contains("${") && !text.contains("%{") {
        return text.into();
    }
    if text.len() > MAX_TEMPLATE_BYTES {
        return unknown_expression();
    }
    match parse_template(text) {
        Ok(template) => Expression::StringTemplate(template.into_iter().collect::<StringTemplate>()),
        Err(_) => unknown_expression(),
    }
}

/// A variable of this name has no value.
fn unknown_expression() -> Expression {
    Expression::Variable(Decorated::new(Ident::new_sanitized("unreadable")))
}

/// The only expression of a template, whose value is not turned into a text.
pub fn only_interpolation(template: &StringTemplate) -> Option<&Expression> {
    let mut elements = template.iter();
    match (elements.next(), elements.next()) {
        (Some(Element::Interpolation(only)), None) => Some(&only.expr),
        _ => None,
    }
}
