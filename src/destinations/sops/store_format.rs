//! Parses the file formats of SOPS for an inspection: finds the value of a path, and fields of the metadata.
//!
//! SOPS chooses the format by the ending of the file's name, and takes every other file for binary, unless `--input-type`
//! names the format (getsops/sops, `cmd/sops/formats`). A file with another ending is therefore parsed as the format that
//! its metadata have.

use crate::diagnostic::Position;
use crate::yaml::{NodeKind, YamlNode, parse_documents};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatValue {
    pub text: String,
    pub at: Position,
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
            // Also how SOPS writes a binary file: one value, `data`.
            return Self::Binary;
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
    Lines { values: Vec<(Vec<String>, FormatValue)>, metadata: &'static str },
}

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
                values.iter().find(|(path, _)| path.join(".") == dotted).map(|(path, _)| path.clone())
            }
        };
        found.unwrap_or_else(|| dotted.split('.').map(str::to_owned).collect())
    }

    /// The value at a path; an inner node has no text and is no value.
    pub fn find_value(&self, path: &[String]) -> Option<FormatValue> {
        match self {
            Self::Tree { roots, .. } => {
                let node = roots.iter().find_map(|root| descend_path(root, path))?;
                Some(FormatValue { text: node.scalar_text()?.to_owned(), at: node.at })
            }
            Self::Lines { values, .. } => {
                values.iter().find(|(at, _)| at == path).map(|(_, value)| value.clone())
            }
        }
    }

    /// A field of SOPS' own metadata.
    pub fn metadata_field(&self, field: &str) -> Option<String> {
        match self {
            Self::Tree { .. } => {
                self.find_value(&["sops".to_owned(), field.to_owned()]).map(|value| value.text)
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

const DOTENV: &str = "sops_";
const INI: &str = "sops";

/// Splits a path at those dots that are not part of a key. `None` when it leads to no value.
fn split_along_tree(node: &YamlNode, dotted: &str) -> Option<Vec<String>> {
    let ends = dotted.match_indices('.').map(|(at, _)| at).chain([dotted.len()]);
    for end in ends {
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

fn descend_path<'a>(node: &'a YamlNode, path: &[String]) -> Option<&'a YamlNode> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let next = match &node.kind {
        NodeKind::Map(_) => node.get(first),
        NodeKind::List(items) => items.get(first.parse::<usize>().ok()?),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
    };
    descend_path(next?, rest)
}

/// `KEY=value` a line; SOPS trims nothing.
fn parse_dotenv(text: &str) -> ParsedSopsFile {
    let mut values = Vec::new();
    for (number, line) in numbered_lines(text) {
        if let Some((key, text)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let at = Position { line: number, column: key.chars().count() as u32 + 2 };
            values.push((vec![key.to_owned()], FormatValue { text: text.to_owned(), at }));
        }
    }
    ParsedSopsFile::Lines { values, metadata: DOTENV }
}

/// `[section]`, then `key = value` or `key: value` a line, where `#` and `;` begin a comment; what stands before the
/// first section is in `DEFAULT` (gopkg.in/ini.v1, `parser.go`).
fn parse_ini(text: &str) -> ParsedSopsFile {
    let mut section = "DEFAULT".to_owned();
    let mut values = Vec::new();
    for (number, line) in numbered_lines(text) {
        let trimmed = line.trim();
        if let Some((name, _)) = trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) =
            line.split_once(['=', ':']).filter(|_| !trimmed.starts_with([';', '#']))
        {
            let before = line.len() - value.trim_start().len();
            let at = Position { line: number, column: line[..before].chars().count() as u32 + 1 };
            values.push((
                vec![section.clone(), key.trim().to_owned()],
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
