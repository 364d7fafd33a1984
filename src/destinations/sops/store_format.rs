//! The file formats of SOPS, down to what an inspection asks: the value of a path, and the metadata.
//!
//! SOPS chooses by the name's ending and takes every other file for binary (getsops/sops, `cmd/sops/formats`).

use crate::diagnostic::Position;
use crate::yaml::documents::parse_documents;
use crate::yaml::strict::{NodeKind, YamlNode};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatValue {
    pub text: String,
    pub at: Position,
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
        match name.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
            Some("env") => Ok(parse_dotenv(text)),
            Some("ini") => Ok(parse_ini(text)),
            ending => {
                let binary = !matches!(ending, Some("yaml" | "yml" | "json"));
                Ok(Self::Tree { roots: parse_documents(text)?, binary })
            }
        }
    }

    /// The components of a path as the policy file writes it. A binary file has one value.
    pub fn split_path(&self, dotted: &str) -> Vec<String> {
        match self {
            Self::Tree { binary: true, .. } => vec!["data".to_owned()],
            Self::Lines { metadata: DOTENV, .. } => vec![dotted.to_owned()],
            _ => dotted.split('.').map(str::to_owned).collect(),
        }
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

fn descend_path<'a>(node: &'a YamlNode, path: &[String]) -> Option<&'a YamlNode> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let next = match &node.kind {
        NodeKind::Map(_) => node.get(first),
        NodeKind::List(items) => items.get(first.parse::<usize>().ok()?),
        NodeKind::Scalar { .. } | NodeKind::Refused => None,
    };
    descend_path(next?, rest)
}

/// `KEY=value` a line; SOPS trims nothing.
fn parse_dotenv(text: &str) -> ParsedSopsFile {
    let value = |(line, (key, text)): (u32, (&str, &str))| {
        let at = Position { line, column: key.chars().count() as u32 + 2 };
        (vec![key.to_owned()], FormatValue { text: text.to_owned(), at })
    };
    let lines = numbered_lines(text).filter(|(_, line)| !line.starts_with('#'));
    let values =
        lines.filter_map(|(number, line)| Some((number, line.split_once('=')?))).map(value).collect();
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
