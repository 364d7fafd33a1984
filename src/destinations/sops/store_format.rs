//! Parses the file formats of SOPS for an inspection: finds the value of a path, and fields of the metadata.
//!
//! SOPS chooses the format by the ending of the file's name, and takes every other file for binary, unless `--input-type`
//! names the format (getsops/sops, `cmd/sops/formats`). A file with another ending is therefore parsed as the format that
//! its metadata have.

use std::rc::Rc;

use crate::diagnostic::Position;
use crate::yaml::{NodeKind, YamlField, YamlNode, parse_documents};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatValue {
    pub text: String,
    pub at: Position,
}

/// A value beside the first one.
#[derive(Debug)]
pub struct OtherValue {
    pub value: FormatValue,
    /// It is in the same document, under the same key.
    pub is_repeated: bool,
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SopsFormat {
    Yaml,
    Json,
    Dotenv,
    Ini,
    Binary,
}

impl SopsFormat {
    /// The format by the name's ending, as SOPS chooses it; else by the metadata in the text.
    pub fn of_file(name: &str, text: &str) -> Self {
        match name.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::of_metadata(text),
        }
    }

    fn of_metadata(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('{') {
            // SOPS writes a binary file as JSON with one value
            let is_binary = parse_documents(text)
                .is_ok_and(|roots| roots.first().is_some_and(|root| root.get("data").is_some()));
            return if is_binary { Self::Binary } else { Self::Json };
        }
        for line in text.lines() {
            if line.starts_with("sops_mac=") {
                return Self::Dotenv;
            }
            if line.trim() == "[sops]" {
                return Self::Ini;
            }
            if line.trim_end() == "sops:" {
                return Self::Yaml;
            }
        }
        Self::Binary
    }
}

/// A file that SOPS may have written.
pub enum ParsedSopsFile {
    /// YAML, JSON and binary files: trees.
    Tree { roots: Vec<YamlNode>, binary: bool },
    /// Dotenv and INI files: `section.key`, value.
    Lines { values: Vec<(LinePath, FormatValue)>, metadata: &'static str },
}

/// Of an INI file the section, which all its lines share, and the key; of a dotenv file the key.
pub type LinePath = Vec<Rc<str>>;

impl ParsedSopsFile {
    /// Reads a file as SOPS would, by its name.
    ///
    /// # Errors
    /// What is wrong with its syntax, and where.
    pub fn parse_file(name: &str, bytes: &[u8]) -> Result<Self, (Position, String)> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| (Position::START, "it is not UTF-8 text".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match SopsFormat::of_file(name, text) {
            SopsFormat::Dotenv => Ok(parse_dotenv(text)),
            SopsFormat::Ini => Ok(parse_ini(text)),
            format => {
                let binary = format == SopsFormat::Binary;
                Ok(Self::Tree { roots: parse_documents(text)?, binary })
            }
        }
    }

    /// The components of a path as the policy file writes it. A binary file has one value.
    ///
    /// A key can contain dots itself: where a path can be read in several ways, the one with the shortest keys counts
    /// that leads to a value.
    pub fn split_path(&self, dotted: &str) -> Vec<String> {
        let found = match self {
            Self::Tree { binary: true, .. } => return vec!["data".to_owned()],
            Self::Lines { metadata: DOTENV, .. } => return vec![dotted.to_owned()],
            Self::Tree { roots, .. } => roots.iter().find_map(|root| split_along_tree(root, dotted)),
            Self::Lines { values, .. } => {
                let found = values.iter().find(|(path, _)| is_dotted_path(path, dotted));
                found.map(|(path, _)| path.iter().map(|part| part.to_string()).collect())
            }
        };
        found.unwrap_or_else(|| dotted.split('.').map(str::to_owned).collect())
    }

    /// The keys of a path: an index in a list is none, and no rule of the metadata looks at it.
    pub fn list_path_keys(&self, path: &[String]) -> Vec<String> {
        let Self::Tree { roots, .. } = self else { return path.to_vec() };
        let mut keys = Vec::new();
        let mut node = roots.iter().find(|root| descend_path(root, path).is_some());
        for part in path {
            let Some(parent) = node else { break };
            if matches!(parent.kind, NodeKind::Map(_)) {
                keys.push(part.clone());
            }
            node = descend_path(parent, std::slice::from_ref(part));
        }
        keys
    }

    /// Whether the format has numbers and truth values beside texts.
    pub fn has_typed_values(&self) -> bool {
        matches!(self, Self::Tree { .. })
    }

    /// The value at a path; an inner node has no text and is no value.
    pub fn find_value(&self, path: &[String]) -> Option<FormatValue> {
        match self {
            Self::Tree { roots, .. } => {
                let node = roots.iter().find_map(|root| descend_path(root, path))?;
                Some(FormatValue { text: node.scalar_text()?.to_owned(), at: node.at })
            }
            Self::Lines { values, .. } => {
                let found = values.iter().find(|(at, _)| {
                    at.len() == path.len() && at.iter().zip(path).all(|(one, other)| **one == **other)
                });
                found.map(|(_, value)| value.clone())
            }
        }
    }

    /// The values of a path beside the first one: those of other documents, and those of a key that is there again.
    pub fn find_other_values(&self, path: &[String]) -> Vec<OtherValue> {
        let mut others = Vec::new();
        match self {
            Self::Tree { roots, .. } => {
                for root in roots {
                    for (number, node) in find_nodes(root, path).into_iter().enumerate() {
                        let Some(text) = node.scalar_text() else { continue };
                        let value = FormatValue { text: text.to_owned(), at: node.at };
                        others.push(OtherValue { value, is_repeated: number > 0 });
                    }
                }
            }
            Self::Lines { values, metadata } => {
                let name = if *metadata == DOTENV { dotenv_name } else { ini_name };
                let is_same = |at: &LinePath| {
                    at.len() == path.len() && at.iter().zip(path).all(|(one, other)| name(one) == name(other))
                };
                for (_, value) in values.iter().filter(|(at, _)| is_same(at)) {
                    others.push(OtherValue { value: value.clone(), is_repeated: true });
                }
            }
        }
        // Without a first one the value is missing, and another spelling of it is none
        let Some(first) = self.find_value(path) else { return Vec::new() };
        others.retain(|other| other.value.at != first.at);
        others
    }

    /// A field of SOPS' own metadata, which it reads from the first document only.
    pub fn metadata_field(&self, field: &str) -> Option<String> {
        match self {
            Self::Tree { roots, .. } => {
                let node = descend_path(roots.first()?, &["sops".to_owned(), field.to_owned()])?;
                node.scalar_text().map(str::to_owned)
            }
            Self::Lines { metadata: DOTENV, .. } => {
                self.find_value(&[format!("{DOTENV}{field}")]).map(|value| value.text)
            }
            Self::Lines { metadata, .. } => {
                self.find_value(&[(*metadata).to_owned(), field.to_owned()]).map(|value| value.text)
            }
        }
    }
}

/// What the names of the metadata begin with in a dotenv file.
pub const DOTENV: &str = "sops_";
/// The section of the metadata in an INI file, and its field in a tree.
pub const INI: &str = "sops";

/// Whether the parts are those of a path with dots between them.
fn is_dotted_path(parts: &[Rc<str>], dotted: &str) -> bool {
    let mut rest = Some(dotted);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            rest = rest.and_then(|rest| rest.strip_prefix('.'));
        }
        rest = rest.and_then(|rest| rest.strip_prefix(&**part));
    }
    rest == Some("")
}

/// Splits a path at those dots that are not part of a key. `None` when it leads to no value.
fn split_along_tree(node: &YamlNode, dotted: &str) -> Option<Vec<String>> {
    for end in find_first_part_ends(node, dotted) {
        // From the left: the shortest key that exists wins, and the rest is tried below it.
        let Some(next) = descend_path(node, &[dotted[..end].to_owned()]) else { continue };
        let rest = match dotted.get(end + 1..) {
            Some(rest) => split_along_tree(next, rest),
            None if next.scalar_text().is_some() => Some(Vec::new()),
            None => None,
        };
        if let Some(rest) = rest {
            return Some([vec![dotted[..end].to_owned()], rest].concat());
        }
    }
    None
}

/// Where the first part of a path can end, the shortest first: behind a key of the mapping, or behind the index.
fn find_first_part_ends(node: &YamlNode, dotted: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    match &node.kind {
        // The keys are looked at and not the dots: a path can have very many.
        NodeKind::Map(fields) => {
            for name in fields.iter().map(YamlField::name) {
                let rest = dotted.strip_prefix(name);
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                    ends.push(name.len());
                }
            }
        }
        NodeKind::List(_) => ends.push(dotted.find('.').unwrap_or(dotted.len())),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

fn descend_path<'a>(node: &'a YamlNode, path: &[String]) -> Option<&'a YamlNode> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let next = match &node.kind {
        NodeKind::Map(_) => node.get(first),
        NodeKind::List(items) => items.get(first.parse::<usize>().ok()?),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
    };
    descend_path(next?, rest)
}

/// All nodes of a path: a mapping can have a key several times.
fn find_nodes<'a>(node: &'a YamlNode, path: &[String]) -> Vec<&'a YamlNode> {
    let Some((first, rest)) = path.split_first() else { return vec![node] };
    match &node.kind {
        NodeKind::Map(fields) => {
            let same = fields.iter().filter(|field| field.name() == first);
            same.flat_map(|field| find_nodes(&field.value, rest)).collect()
        }
        NodeKind::List(_) => {
            descend_path(node, &path[..1]).map_or_else(Vec::new, |item| find_nodes(item, rest))
        }
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => Vec::new(),
    }
}

/// The name of a variable as shells read it: to SOPS, `export ` and blanks are part of it.
fn dotenv_name(key: &str) -> &str {
    let key = key.trim();
    key.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(key).trim_start()
}

/// The name of a key, which quotes can surround.
fn ini_name(key: &str) -> &str {
    let inner = ['"', '`'].iter().find_map(|quote| key.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(key)
}

/// `KEY=value` a line; SOPS trims nothing.
fn parse_dotenv(text: &str) -> ParsedSopsFile {
    let mut values = Vec::new();
    for (number, line) in numbered_lines(text) {
        if let Some((key, text)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let at = Position { line: number, column: key.chars().count() as u32 + 2 };
            values.push((vec![key.into()], FormatValue { text: text.to_owned(), at }));
        }
    }
    ParsedSopsFile::Lines { values, metadata: DOTENV }
}

/// `[section]`, then `key = value` or `key: value` a line, where `#` and `;` begin a comment; what stands before the
/// first section is in `DEFAULT` (gopkg.in/ini.v1, `parser.go`).
fn parse_ini(text: &str) -> ParsedSopsFile {
    let mut section: Rc<str> = "DEFAULT".into();
    let mut values = Vec::new();
    for (number, line) in numbered_lines(text) {
        let trimmed = line.trim();
        if let Some((name, _)) = trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            section = name.into();
        } else if let Some((key, value)) =
            line.split_once(['=', ':']).filter(|_| !trimmed.starts_with([';', '#']))
        {
            let before = line.len() - value.trim_start().len();
            let at = Position { line: number, column: line[..before].chars().count() as u32 + 1 };
            values.push((
                vec![Rc::clone(&section), key.trim().into()],
                FormatValue { text: strip_quotes(value), at },
            ));
        }
    }
    ParsedSopsFile::Lines { values, metadata: INI }
}

fn strip_quotes(value: &str) -> String {
    let value = value.trim();
    let raw = value.strip_prefix('`').and_then(|rest| rest.rsplit_once('`')).map(|(text, _)| text);
    raw.unwrap_or_else(|| value.split(['#', ';']).next().unwrap_or_default().trim_end()).to_owned()
}

fn numbered_lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.split('\n').map(|line| line.trim_end_matches('\r')).enumerate().map(|(i, line)| (i as u32 + 1, line))
}
