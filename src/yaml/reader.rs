//! Builds the tree of a YAML file from the events of `granit-parser`, for the three kinds of readers in [`ReadMode`].

use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle as ParsedStyle, Span};

use super::tree::{NodeKind, ScalarStyle, YamlField, YamlFile, YamlNode};
use crate::diagnostic::Position;

/// The deepest nesting that is read in a file of the repository.
pub const MAX_DEPTH: usize = 128;
/// The same in a policy file, whose own format needs six levels.
const MAX_POLICY_DEPTH: usize = 64;
/// The most values and keys of a file: two characters can be three of them, and each takes a hundred bytes.
const MAX_NODES: usize = 1_000_000;
/// The most anchors of a file that is edited.
const MAX_ANCHORS: usize = 10_000;

/// Who reads, which decides about depth, comments and aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Aliases stay in the tree, also those without an anchor, so that each can be rejected at its place.
    Policy,
    /// An alias reads as an empty scalar: following aliases would let a small file grow without bound.
    Inspect,
    /// Comments are kept, and an alias without an anchor is a syntax error.
    Edit,
}

/// What is wrong with the syntax of a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: Position,
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

impl From<SyntaxError> for (Position, String) {
    fn from(error: SyntaxError) -> Self {
        (error.at, error.message)
    }
}

/// Reads the documents of a workflow, a manifest or another file of the repository.
///
/// # Errors
/// The syntax error.
pub fn parse_documents(text: &str) -> Result<Vec<YamlNode>, SyntaxError> {
    match read_file(text, ReadMode::Inspect) {
        (file, None) => Ok(file.roots),
        (_, Some(error)) => Err(error),
    }
}

/// Reads a file whose scalars are to be replaced; the nodes' byte ranges are into this very text.
///
/// # Errors
/// The syntax error.
pub fn parse_editable(text: &str) -> Result<YamlFile, SyntaxError> {
    match read_file(text, ReadMode::Edit) {
        (file, None) => Ok(file),
        (_, Some(error)) => Err(error),
    }
}

/// Reads a file; in front of a syntax error, what was complete by then.
pub fn read_file(text: &str, mode: ReadMode) -> (YamlFile, Option<SyntaxError>) {
    let max_depth = if mode == ReadMode::Policy { MAX_POLICY_DEPTH } else { MAX_DEPTH };
    let options = granit_parser::options! {
        emit_comments: mode == ReadMode::Edit,
        // The tree is walked recursively: without a limit a small file could overflow the stack.
        flow_nesting_limit: max_depth,
        block_nesting_limit: max_depth,
        emit_unresolved_aliases: mode != ReadMode::Edit,
    };
    let mut builder = TreeBuilder { mode, file: YamlFile::default(), open: Vec::new(), nodes: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                builder.handle_event(event, &span);
                if builder.is_full() {
                    let (at, _) = locate_span(&span);
                    let message = "the file has too many values or anchors".to_owned();
                    return (builder.finish(), Some(SyntaxError { at, message }));
                }
            }
            Err(error) => {
                let at = position(error.marker().line(), error.marker().col());
                let error = SyntaxError { at, message: error.info().to_owned() };
                return (builder.finish(), Some(error));
            }
        }
    }
    (builder.finish(), None)
}

fn position(line: usize, column: usize) -> Position {
    Position { line: line.max(1) as u32, column: column as u32 + 1 }
}

/// The start of a span and its width in characters; one that covers several lines is marked at its first character.
fn locate_span(span: &Span) -> (Position, u32) {
    let at = position(span.start.line(), span.start.col());
    if span.start.line() != span.end.line() {
        return (at, 1);
    }
    let width = span.end.col().saturating_sub(span.start.col()) as u32;
    (at, width.max(1))
}

/// A collection whose end has not been read yet.
struct OpenCollection {
    node: YamlNode,
    /// Of a mapping, the key that waits for its value.
    key: Option<YamlNode>,
}

struct TreeBuilder {
    mode: ReadMode,
    file: YamlFile,
    open: Vec<OpenCollection>,
    /// How many there are so far.
    nodes: usize,
}

impl TreeBuilder {
    fn is_full(&self) -> bool {
        self.nodes > MAX_NODES || self.file.anchors.len() > MAX_ANCHORS
    }

    fn handle_event(&mut self, event: Event<'_>, span: &Span) {
        let (at, width) = locate_span(span);
        let anchor = event.anchor_id();
        let tag = event.tag().map(|tag| format!("{}{}", tag.handle(), tag.suffix()).into_boxed_str());
        let kind = match event {
            Event::Scalar(text, style, ..) => {
                NodeKind::Scalar { text: text.into_owned(), style: style.into() }
            }
            // Before the next arm: an inspection must not follow any alias.
            Event::Alias(_) | Event::UnresolvedAlias(_) if self.mode == ReadMode::Inspect => {
                NodeKind::Scalar { text: String::new(), style: ScalarStyle::Plain }
            }
            Event::Alias(anchor) => NodeKind::Alias(anchor),
            // No anchor has this number.
            Event::UnresolvedAlias(_) => NodeKind::Alias(usize::MAX),
            Event::SequenceStart(..) => NodeKind::List(Vec::new()),
            Event::MappingStart(..) => NodeKind::Map(Vec::new()),
            Event::SequenceEnd | Event::MappingEnd => return self.close_collection(),
            Event::Comment(text, ..) => return self.file.comments.push(text.into_owned()),
            Event::DocumentStart(..) => return self.file.starts.push((at, width)),
            _ => return,
        };
        // The path is taken before the node is added, so that an alias inside of the node finds it as well.
        if let Some(anchor) = anchor.filter(|_| self.mode == ReadMode::Edit) {
            self.file.anchors.insert(anchor, self.path_of_next_node());
        }
        let range = span.byte_range().unwrap_or_default();
        let node = YamlNode { kind, at, width, range, has_anchor: anchor.is_some(), tag };
        self.nodes += 1;
        if matches!(node.kind, NodeKind::List(_) | NodeKind::Map(_)) {
            self.open.push(OpenCollection { node, key: None });
        } else {
            self.add_node(node);
        }
    }

    fn close_collection(&mut self) {
        if let Some(mut collection) = self.open.pop() {
            // A list that grows has room for four from its first item on, and most have fewer.
            match &mut collection.node.kind {
                NodeKind::List(items) => items.shrink_to_fit(),
                NodeKind::Map(fields) => fields.shrink_to_fit(),
                NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
            }
            self.add_node(collection.node);
        }
    }

    /// The index of the root and of the child at each level, as [`YamlFile::follow_alias`] walks them.
    fn path_of_next_node(&self) -> Vec<usize> {
        let children = self.open.iter().map(|collection| match &collection.node.kind {
            NodeKind::Map(fields) => 2 * fields.len() + usize::from(collection.key.is_some()),
            _ => collection.node.items().len(),
        });
        std::iter::once(self.file.roots.len()).chain(children).collect()
    }

    /// Puts a complete node into the innermost open collection, or makes it a root.
    fn add_node(&mut self, node: YamlNode) {
        let Some(collection) = self.open.last_mut() else {
            self.file.roots.push(node);
            return;
        };
        match (&mut collection.node.kind, collection.key.take()) {
            (NodeKind::List(items), _) => items.push(node),
            (NodeKind::Map(_), None) => collection.key = Some(node),
            (NodeKind::Map(fields), Some(key)) => fields.push(YamlField { key, value: node }),
            // Only lists and mappings are opened.
            (NodeKind::Scalar { .. } | NodeKind::Alias(_), _) => {}
        }
    }

    /// After a syntax error some collections are still open: they keep what was read.
    fn finish(mut self) -> YamlFile {
        while !self.open.is_empty() {
            self.close_collection();
        }
        self.file
    }
}

impl From<ParsedStyle> for ScalarStyle {
    fn from(style: ParsedStyle) -> Self {
        match style {
            ParsedStyle::Plain => Self::Plain,
            ParsedStyle::SingleQuoted => Self::SingleQuoted,
            ParsedStyle::DoubleQuoted => Self::DoubleQuoted,
            _ => Self::Block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_anchors_and_tabs_in_json_are_read() {
        let roots = parse_documents("a: &x 1\nb: *x\n---\nc: [1, {d: 2}]\n").unwrap();
        assert_eq!(roots.len(), 2);
        assert_eq!(roots[0].get("b").unwrap().scalar_text(), Some(""), "an alias is not followed");
        assert_eq!(roots[1].get("c").unwrap().items()[1].get("d").unwrap().scalar_text(), Some("2"));
        let json = parse_documents("{\n\t\"a\": {\n\t\t\"b\": \"x\\/y\"\n\t}\n}").unwrap();
        let b = json[0].get("a").unwrap().get("b").unwrap();
        assert_eq!((b.scalar_text(), b.at), (Some("x/y"), Position { line: 3, column: 8 }));
    }

    #[test]
    fn a_syntax_error_has_a_position_and_leaves_what_was_complete() {
        let (file, error) = read_file("a: 1\nb: [", ReadMode::Policy);
        assert_eq!(error.unwrap().at.line, 2);
        assert_eq!(file.roots[0].get("a").unwrap().scalar_text(), Some("1"));
    }

    #[test]
    fn a_mapping_in_a_list_starts_at_its_first_key() {
        let roots = parse_documents("users:\n  - name: alice\n    path: /x/\n").unwrap();
        assert_eq!(roots[0].get("users").unwrap().items()[0].at, Position { line: 2, column: 5 });
    }

    #[test]
    fn an_alias_leads_to_its_node() {
        let file = parse_editable("a: &x {b: 1}\nc: *x\n").unwrap();
        assert_eq!(file.text_at(&file.roots[0], &["c", "b"]), Some("1"));
        let file = parse_editable("- 0\n- {&k key: [&v value]}\n- [*k, *v]\n---\nd: &y [*y, 1]\n").unwrap();
        let texts: Vec<_> =
            file.roots[0].items()[2].items().iter().map(|alias| file.follow_alias(alias)).collect();
        assert_eq!(
            texts.iter().map(|node| node.unwrap().scalar_text().unwrap()).collect::<Vec<_>>(),
            ["key", "value"]
        );
        let list = file.roots[1].get("d").unwrap();
        assert_eq!(file.follow_alias(&list.items()[0]), Some(list), "also to one that it is in");
        assert!(parse_editable("a: *x\n").is_err());
    }
}
