//! Defines the tree of a YAML file: nodes own their children and know their place in the text.

use std::collections::HashMap;
use std::ops::Range;

use crate::diagnostic::{Position, SourceFault};

/// The documents of one file.
#[derive(Debug, Default)]
pub struct YamlFile {
    /// The root node of each document.
    pub roots: Vec<YamlNode>,
    /// Where each document starts, and how many characters its `---` covers.
    pub starts: Vec<(Position, u32)>,
    /// The text after each `#`, in order; only read in the mode `Edit`.
    pub comments: Vec<String>,
    /// Only read in the mode `Edit`. For each anchor, the way to its node: the index of the root, then of the child at each level.
    pub(super) anchors: HashMap<usize, Vec<usize>>,
}

/// A value, a key, or a whole document.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlNode {
    pub kind: NodeKind,
    pub at: Position,
    /// How many characters the node covers; 1 when it spans several lines.
    pub width: u32,
    /// The bytes of the text. Quotes are included; the header of a block scalar is not.
    pub range: Range<usize>,
    /// Whether there is an anchor (`&name`) on this node.
    pub has_anchor: bool,
    pub tag: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Scalar {
        text: String,
        style: ScalarStyle,
    },
    List(Vec<YamlNode>),
    Map(Vec<YamlField>),
    /// `*name`, with the number of its anchor. [`YamlFile::follow_alias`] finds the node.
    Alias(usize),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes: the text may also mean null, a boolean or a number.
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`.
    Block,
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlField {
    pub key: YamlNode,
    pub value: YamlNode,
}

impl YamlFile {
    /// Returns the node itself, or the node that it is an alias of.
    pub fn follow_alias<'f>(&'f self, node: &'f YamlNode) -> Option<&'f YamlNode> {
        let NodeKind::Alias(anchor) = node.kind else { return Some(node) };
        // YAML allows no anchor on an alias, so one step is enough.
        let (root, path) = self.anchors.get(&anchor)?.split_first()?;
        path.iter().try_fold(self.roots.get(*root)?, |node, index| node.child(*index))
    }

    /// Returns the value of a field, aliases followed.
    pub fn get_field<'f>(&'f self, map: &'f YamlNode, name: &str) -> Option<&'f YamlNode> {
        for field in map.fields() {
            if self.follow_alias(&field.key).and_then(YamlNode::scalar_text) == Some(name) {
                return self.follow_alias(&field.value);
            }
        }
        None
    }

    /// Returns the text at a path of field names, aliases followed.
    pub fn text_at<'f>(&'f self, root: &'f YamlNode, path: &[&str]) -> Option<&'f str> {
        match path {
            [] => root.scalar_text(),
            [first, rest @ ..] => self.text_at(self.get_field(root, first)?, rest),
        }
    }
}

impl YamlNode {
    /// Returns the text of a scalar.
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the text of a scalar without quotes, which may mean null, a boolean or a number.
    pub fn plain_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, style: ScalarStyle::Plain } => Some(text),
            _ => None,
        }
    }

    /// Returns the fields of a mapping; none of anything else.
    pub fn fields(&self) -> &[YamlField] {
        match &self.kind {
            NodeKind::Map(fields) => fields,
            _ => &[],
        }
    }

    /// Returns the items of a list; none of anything else.
    pub fn items(&self) -> &[YamlNode] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the value of a field of a mapping; an alias is not followed.
    pub fn get(&self, name: &str) -> Option<&YamlNode> {
        self.fields().iter().find(|field| field.name() == name).map(|field| &field.value)
    }

    pub fn fault_at_node(&self, message: impl Into<String>) -> SourceFault {
        SourceFault { at: self.at, width: self.width, message: message.into(), help: None }
    }

    /// The child with this number: of a list its items, of a mapping key, value, key, value.
    fn child(&self, index: usize) -> Option<&YamlNode> {
        match &self.kind {
            NodeKind::List(items) => items.get(index),
            NodeKind::Map(fields) => {
                let field = fields.get(index / 2)?;
                Some(if index.is_multiple_of(2) { &field.key } else { &field.value })
            }
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => None,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How many names of fields were read: a test shows with it that the work is linear.
    pub static NAMES_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl YamlField {
    /// Returns the key's text; it is empty when the key is a list, a mapping or an alias.
    pub fn name(&self) -> &str {
        #[cfg(test)]
        NAMES_READ.set(NAMES_READ.get() + 1);
        self.key.scalar_text().unwrap_or_default()
    }
}
