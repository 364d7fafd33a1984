//! Parses a SOPS file into its values, in the order in which SOPS walks them for the MAC, and its metadata.
//!
//! As in SOPS (getsops/sops, `stores/*/store.go` and `walkBranch` in `sops.go`), aliases are followed, the index in a list
//! is no part of a value's additional data, and null is no value. The MAC covers every document of a YAML file; the
//! metadata is that of the first.

use std::collections::HashSet;

use super::lines;
use super::scalar::{BINARY, resolve_scalar};
pub use super::value::{LeafLimit, METADATA, SopsDocument, SopsLeaf, SopsValue, SyntaxFault};
use crate::diagnostic::Position;
use crate::yaml::{MAX_DEPTH, NodeKind, ScalarStyle, YamlField, YamlFile, YamlNode, parse_editable};

impl SopsDocument {
    /// Reads a file in the format of its name's ending, or of its metadata.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse_file(name: &str, text: &str) -> Result<Self, SyntaxFault> {
        use super::store_format::SopsFormat;

        let document = match SopsFormat::of_file(name, text) {
            SopsFormat::Yaml => parse_tree(text),
            SopsFormat::Json => {
                // The YAML parser takes more than JSON, and SOPS would refuse the file.
                serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}')).map_err(
                    |error| {
                        let at = Position {
                            line: error.line().max(1) as u32,
                            column: error.column().max(1) as u32,
                        };
                        (at, "it is not JSON".to_owned())
                    },
                )?;
                parse_tree(text)
            }
            SopsFormat::Dotenv => lines::parse_dotenv(text),
            SopsFormat::Ini => lines::parse_ini(text),
            SopsFormat::Binary => Err((
                Position::START,
                "by its name it is a binary file, which is one value and has no place for two".to_owned(),
            )),
        };
        document?.ensure_sound_metadata()
    }
}

fn parse_tree(text: &str) -> Result<SopsDocument, SyntaxFault> {
    let tree = parse_editable(text)?;
    let mut walk = TreeWalker {
        tree: &tree,
        path: Vec::new(),
        keys: Vec::new(),
        found: Vec::new(),
        limit: LeafLimit::default(),
    };
    let mut document = SopsDocument::default();
    for (number, root) in tree.roots.iter().enumerate() {
        let NodeKind::Map(fields) = &root.kind else {
            if matches!(&root.kind, NodeKind::Scalar { text, .. } if text == "~" || text.is_empty()) {
                continue;
            }
            return Err((root.at, "SOPS reads no list and no single value as a document".to_owned()));
        };
        let mut names = HashSet::new();
        for field in fields {
            let name = tree.follow_alias(&field.key).and_then(YamlNode::scalar_text);
            // SOPS reads no such YAML, and of JSON the last one. Deeper down it takes each for a value of the file.
            if let Some(name) = name.filter(|name| !names.insert(*name)) {
                return Err((field.key.at, format!("`{name}` is in it twice")));
            }
            if name != Some(METADATA) {
                walk.visit_field(field, 1)?;
                continue;
            }
            let leaves = std::mem::take(&mut walk.found);
            walk.visit_value(&field.value, 1)?;
            let metadata = std::mem::replace(&mut walk.found, leaves);
            // SOPS reads the metadata of the first document only, and writes it into all of them.
            let place = if number == 0 { &mut document.metadata } else { &mut document.copies };
            place.extend(metadata);
        }
    }
    document.leaves = walk.found;
    document.comments = tree.comments;
    Ok(document)
}

struct TreeWalker<'a> {
    tree: &'a YamlFile,
    path: Vec<String>,
    keys: Vec<String>,
    found: Vec<SopsLeaf>,
    limit: LeafLimit,
}

impl TreeWalker<'_> {
    fn visit_field(&mut self, field: &YamlField, depth: usize) -> Result<(), SyntaxFault> {
        let Some(key) = self.tree.follow_alias(&field.key) else { return Ok(()) };
        let Some(name) = key.scalar_text() else {
            return Err((key.at, "SOPS reads no key that is a list or a mapping".to_owned()));
        };
        self.path.push(name.to_owned());
        self.keys.push(name.to_owned());
        self.visit_value(&field.value, depth)?;
        self.path.pop();
        self.keys.pop();
        Ok(())
    }

    fn visit_value(&mut self, node: &YamlNode, depth: usize) -> Result<(), SyntaxFault> {
        let Some(node) = self.tree.follow_alias(node) else { return Ok(()) };
        if depth > MAX_DEPTH {
            return Err((node.at, "it is too large or too deep".to_owned()));
        }
        match &node.kind {
            NodeKind::Map(fields) => fields.iter().try_for_each(|field| self.visit_field(field, depth + 1)),
            NodeKind::List(items) => items.iter().enumerate().try_for_each(|(number, item)| {
                self.path.push(number.to_string());
                self.visit_value(item, depth + 1)?;
                self.path.pop();
                Ok(())
            }),
            NodeKind::Scalar { text, style } => {
                if node.tag.as_deref() == Some(BINARY) && text.starts_with("ENC[") {
                    return Err((
                        node.at,
                        "SOPS reads a ciphertext with the tag `!!binary` as Base64".to_owned(),
                    ));
                }
                let is_plain = *style == ScalarStyle::Plain;
                if let (Some(value), Some(spot)) =
                    (resolve_scalar(text, is_plain, node.tag.as_deref()), node.scalar_spot())
                {
                    let (path, keys) = (self.path.clone(), self.keys.clone());
                    let leaf = SopsLeaf { path, keys, value, at: node.at, spot };
                    // While they are read, and not at the end: aliases can make more values than fit into memory
                    self.limit.count_leaf(&leaf)?;
                    self.found.push(leaf);
                }
                Ok(())
            }
            NodeKind::Alias(_) => Ok(()),
        }
    }
}
