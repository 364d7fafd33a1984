//! YAML and JSON with the place of every scalar in the bytes, so that one can be replaced and all else stays.
//!
//! Not the reader of `repo::documents`: this one keeps anchors apart from aliases, styles, tags and byte ranges.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::diagnostic::Position;

/// The deepest nesting that is read, aliases followed.
pub const MAX_DEPTH: usize = 128;

/// The documents of a file: nodes in one list, named by their index.
#[derive(Default)]
pub struct ByteTree {
    nodes: Vec<ByteNode>,
    pub roots: Vec<usize>,
    anchors: HashMap<usize, usize>,
    /// What stands after each `#`.
    pub comments: Vec<String>,
}

pub struct ByteNode {
    pub kind: NodeKind,
    pub at: Position,
    pub range: Range<usize>,
}

pub enum NodeKind {
    Scalar { text: String, style: QuotingStyle, tag: Option<String> },
    Map(Vec<(usize, usize)>),
    List(Vec<usize>),
    Alias(usize),
}

#[derive(Debug, Clone, Copy)]
pub enum QuotingStyle {
    Plain,
    Single,
    Double,
    Block,
}

impl ByteTree {
    /// Reads a file, whose ranges are into this very text.
    ///
    /// # Errors
    /// What is wrong with its syntax, and where.
    pub fn parse_text(text: &str) -> Result<Self, (Position, String)> {
        let options = granit_parser::options! {
            emit_comments: true, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH,
        };
        let mut builder = ByteTreeBuilder::default();
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| {
                let (line, column) = (error.marker().line().max(1) as u32, error.marker().col() as u32 + 1);
                (Position { line, column }, error.info().to_owned())
            })?;
            builder.handle_event(event, &span)?;
        }
        Ok(builder.tree)
    }

    /// A node, an alias followed.
    pub fn node_at(&self, index: usize) -> Option<&ByteNode> {
        let node = self.nodes.get(index)?;
        let NodeKind::Alias(anchor) = node.kind else { return Some(node) };
        // An anchor is never on an alias.
        self.nodes.get(*self.anchors.get(&anchor)?)
    }

    /// The value of a field of a mapping.
    pub fn get_field(&self, map: &ByteNode, name: &str) -> Option<&ByteNode> {
        let NodeKind::Map(fields) = &map.kind else { return None };
        let is_named = |key: usize| self.node_at(key).and_then(ByteNode::scalar_text) == Some(name);
        fields.iter().find(|(key, _)| is_named(*key)).and_then(|(_, value)| self.node_at(*value))
    }

    /// The text at a path of fields.
    pub fn text_at<'a>(&'a self, root: &'a ByteNode, path: &[&str]) -> Option<&'a str> {
        match path {
            [] => root.scalar_text(),
            [first, rest @ ..] => self.text_at(self.get_field(root, first)?, rest),
        }
    }
}

/// Where a scalar stands in the source.
#[derive(Debug, Clone)]
pub struct ScalarSpot {
    /// Quotes included; of a block scalar without its header.
    pub range: Range<usize>,
    pub style: QuotingStyle,
}

impl ByteNode {
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Where it stands; `None` when it is no scalar.
    pub fn scalar_spot(&self) -> Option<ScalarSpot> {
        let NodeKind::Scalar { style, .. } = self.kind else { return None };
        Some(ScalarSpot { range: self.range.clone(), style })
    }
}

impl ScalarSpot {
    /// What has to stand where for the scalar to hold a new text, which needs no escapes and is one line.
    pub fn replace_with(&self, source: &str, new: &str) -> TextEdit {
        match self.style {
            QuotingStyle::Plain => (self.range.clone(), new.to_owned()),
            QuotingStyle::Single => (self.range.clone(), format!("'{new}'")),
            QuotingStyle::Double => (self.range.clone(), format!("\"{new}\"")),
            QuotingStyle::Block => {
                let old = source.get(self.range.clone()).unwrap_or_default();
                let end = self.range.start + old.trim_end_matches(['\r', '\n', ' ']).len();
                (self.range.start..end, new.to_owned())
            }
        }
    }
}

/// A range of the source and what has to stand there.
pub type TextEdit = (Range<usize>, String);

/// Puts new texts into a source. `None` when two of them want the same place.
pub fn apply_edits(source: &str, mut edits: Vec<TextEdit>) -> Option<String> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(source.len() + 256);
    let mut copied = 0;
    for (range, text) in edits {
        out.push_str(source.get(copied..range.start)?);
        out.push_str(&text);
        copied = range.end;
    }
    out.push_str(source.get(copied..)?);
    Some(out)
}

#[derive(Default)]
struct ByteTreeBuilder {
    tree: ByteTree,
    /// The collections that are still being read; of a mapping, the key that waits for its value.
    open: Vec<(usize, Option<usize>)>,
}

impl ByteTreeBuilder {
    fn handle_event(&mut self, event: Event<'_>, span: &Span) -> Result<(), (Position, String)> {
        let at = Position { line: span.start.line().max(1) as u32, column: span.start.col() as u32 + 1 };
        let range = span.byte_range().unwrap_or_default();
        let anchor = event.anchor_id();
        let kind = match event {
            Event::Comment(text, ..) => {
                self.tree.comments.push(text.into_owned());
                return Ok(());
            }
            Event::Scalar(text, style, _, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                NodeKind::Scalar { text: text.into_owned(), style: style.into(), tag }
            }
            Event::Alias(anchor) => NodeKind::Alias(anchor),
            Event::SequenceStart(..) => NodeKind::List(Vec::new()),
            Event::MappingStart(..) => NodeKind::Map(Vec::new()),
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                return Ok(());
            }
            _ => return Ok(()),
        };
        let is_open = matches!(kind, NodeKind::List(_) | NodeKind::Map(_));
        let index = self.tree.nodes.len();
        self.tree.nodes.push(ByteNode { kind, at, range });
        if let Some(anchor) = anchor {
            self.tree.anchors.insert(anchor, index);
        }
        self.add_child(index);
        if is_open {
            self.open.push((index, None));
        }
        Ok(())
    }

    fn add_child(&mut self, index: usize) {
        let Some((parent, key)) = self.open.last_mut() else {
            self.tree.roots.push(index);
            return;
        };
        match (&mut self.tree.nodes[*parent].kind, key.take()) {
            (NodeKind::Map(_), None) => *key = Some(index),
            (NodeKind::Map(fields), Some(key)) => fields.push((key, index)),
            (NodeKind::List(items), _) => items.push(index),
            (NodeKind::Scalar { .. } | NodeKind::Alias(_), _) => {}
        }
    }
}

impl From<ScalarStyle> for QuotingStyle {
    fn from(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::Plain => Self::Plain,
            ScalarStyle::SingleQuoted => Self::Single,
            ScalarStyle::DoubleQuoted => Self::Double,
            _ => Self::Block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(source: &str, path: &[&str], new: &str) -> String {
        let tree = ByteTree::parse_text(source).unwrap();
        let mut node = tree.node_at(tree.roots[0]).unwrap();
        for name in path {
            node = tree.get_field(node, name).unwrap();
        }
        apply_edits(source, vec![node.scalar_spot().unwrap().replace_with(source, new)]).unwrap()
    }

    #[test]
    fn a_scalar_of_each_style_is_replaced_and_nothing_else() {
        let source = "\u{feff}# é\r\na: old   # c\r\nb: { c: 'old' , d: \"o\\u006cd\" }\r\ne: |-\r\n   old\r\n\r\nf: x\r\n";
        assert_eq!(edit(source, &["a"], "new"), source.replacen("a: old", "a: new", 1));
        assert_eq!(edit(source, &["b", "c"], "new"), source.replace("'old'", "'new'"));
        assert_eq!(edit(source, &["b", "d"], "new"), source.replace("o\\u006cd", "new"));
        assert_eq!(edit(source, &["e"], "new"), source.replace("   old", "   new"));
    }

    #[test]
    fn an_alias_is_the_node_that_it_names() {
        let tree = ByteTree::parse_text("a: &x {b: 1}\nc: *x\n").unwrap();
        assert_eq!(tree.text_at(tree.node_at(tree.roots[0]).unwrap(), &["c", "b"]), Some("1"));
        assert!(ByteTree::parse_text("a: *x\n").is_err());
    }

    #[test]
    fn two_edits_of_one_place_are_refused() {
        assert_eq!(apply_edits("abc", vec![(0..2, "x".to_owned()), (1..3, "y".to_owned())]), None);
    }
}
