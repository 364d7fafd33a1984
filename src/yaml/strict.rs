//! YAML text → a tree in which every node knows its place; what a policy must not contain is refused here.
//!
//! Not a YAML library: no aliases, no tags, one document, bounded depth. `granit-parser` does the grammar.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::diagnostic::Position;

/// The largest policy file that is read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A complaint about a place in the text, before it is tied to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    pub at: Position,
    pub width: u32,
    pub message: String,
    pub help: Option<String>,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlNode {
    pub kind: NodeKind,
    pub at: Position,
    pub width: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Plain (not quoted) scalars may stand for null, a truth value or a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<YamlNode>),
    Map(Vec<YamlField>),
    /// What was refused already: nobody complains about it again.
    Refused,
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlField {
    pub key: String,
    pub key_at: Position,
    pub key_width: u32,
    pub value: YamlNode,
}

impl YamlNode {
    pub fn fault_at_node(&self, message: impl Into<String>) -> SourceFault {
        SourceFault { at: self.at, width: self.width, message: message.into(), help: None }
    }
}

impl YamlField {
    pub fn fault_at_key(&self, message: impl Into<String>) -> SourceFault {
        SourceFault { at: self.key_at, width: self.key_width, message: message.into(), help: None }
    }
}

impl SourceFault {
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Bytes → text, with the place of the first byte that is none.
pub fn decode_utf8(bytes: &[u8]) -> Result<&str, SourceFault> {
    if bytes.len() > MAX_BYTES {
        let message = format!("this file has {} bytes; a policy file has at most {MAX_BYTES}", bytes.len());
        return Err(SourceFault { at: Position::START, width: 1, message, help: None });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        SourceFault {
            at: end_position(&valid),
            width: 1,
            message: "this is not UTF-8 text".to_owned(),
            help: None,
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn end_position(text: &str) -> Position {
    let line = text.matches('\n').count() as u32 + 1;
    let column = text.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    Position { line, column }
}

/// Text → tree. Duplicate keys, aliases, tags and control characters are collected; a syntax error ends it.
pub fn parse_tree(text: &str) -> (Option<YamlNode>, Vec<SourceFault>) {
    let mut builder = TreeBuilder { faults: Vec::new(), open: Vec::new(), root: None, documents: 0 };
    let options = granit_parser::options! {
        emit_comments: false, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.handle_event(event, &span),
            Err(error) => {
                let (line, column) = (error.marker().line().max(1) as u32, error.marker().col() as u32 + 1);
                let message = format!("this is not YAML: {}", error.info());
                builder.faults.push(SourceFault {
                    at: Position { line, column },
                    width: 1,
                    message,
                    help: None,
                });
                return (None, builder.faults);
            }
        }
    }
    (builder.root, builder.faults)
}

/// A collection that is still being read. For a mapping, `key` waits for its value.
struct OpenCollection {
    node: YamlNode,
    key: Option<YamlNode>,
    /// The line each key of a mapping first stood in.
    seen: HashMap<String, u32>,
}

struct TreeBuilder {
    faults: Vec<SourceFault>,
    open: Vec<OpenCollection>,
    root: Option<YamlNode>,
    documents: usize,
}

impl TreeBuilder {
    fn handle_event(&mut self, event: Event<'_>, span: &Span) {
        let (at, width) = locate_span(span);
        self.reject_unsupported(&event, at, width);
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                self.add_node(YamlNode {
                    kind: NodeKind::Scalar { text: text.into_owned(), plain },
                    at,
                    width,
                });
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.add_node(YamlNode { kind: NodeKind::Refused, at, width })
            }
            Event::SequenceStart(..) => self.open_collection(NodeKind::List(Vec::new()), at, width),
            Event::MappingStart(..) => self.open_collection(NodeKind::Map(Vec::new()), at, width),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.add_node(open.node);
                }
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.push_fault(
                        at,
                        width,
                        "a second document begins here",
                        "keep one YAML document in this file",
                    );
                }
            }
            _ => {}
        }
    }

    fn reject_unsupported(&mut self, event: &Event<'_>, at: Position, width: u32) {
        if matches!(event, Event::Alias(_) | Event::UnresolvedAlias(_)) {
            self.push_fault(
                at,
                width,
                "an alias (`*name`) cannot stand in a policy file",
                "write the value out",
            );
        }
        if event.anchor_id().is_some() {
            self.push_fault(at, 1, "an anchor (`&name`) cannot stand in a policy file", "remove it");
        }
        if event.tag().is_some() {
            self.push_fault(at, 1, "a tag (`!name`) cannot stand in a policy file", "remove it");
        }
        if let Event::Scalar(text, ..) = event
            && let Some(c) =
                text.chars().find(|c| crate::sanitize::is_harmful(*c) && !matches!(c, '\n' | '\t'))
        {
            let message = format!("the character {} cannot stand in a policy file", c.escape_unicode());
            self.push_fault(at, width, &message, "remove it: it is invisible or moves the cursor");
        }
    }

    fn push_fault(&mut self, at: Position, width: u32, message: &str, help: &str) {
        self.faults.push(SourceFault { at, width, message: message.to_owned(), help: Some(help.to_owned()) });
    }

    fn open_collection(&mut self, kind: NodeKind, at: Position, width: u32) {
        self.open.push(OpenCollection {
            node: YamlNode { kind, at, width: width.max(1) },
            key: None,
            seen: HashMap::new(),
        });
    }

    /// Puts a finished node where it belongs: into the innermost open collection, or at the root.
    fn add_node(&mut self, node: YamlNode) {
        let Some(open) = self.open.last_mut() else {
            if self.root.is_none() {
                self.root = Some(node);
            }
            return;
        };
        match (&mut open.node.kind, open.key.take()) {
            (NodeKind::List(items), _) => items.push(node),
            (NodeKind::Map(_), None) => open.key = Some(node),
            (NodeKind::Map(fields), Some(key)) => match build_field(key, node, &mut open.seen) {
                Ok(field) => fields.push(field),
                Err(fault) => self.faults.push(fault),
            },
            (NodeKind::Scalar { .. } | NodeKind::Refused, _) => {}
        }
    }
}

fn build_field(
    key: YamlNode,
    value: YamlNode,
    seen: &mut HashMap<String, u32>,
) -> Result<YamlField, SourceFault> {
    let NodeKind::Scalar { text, .. } = &key.kind else {
        return Err(key.fault_at_node("a field name must be plain text").with_help("write `name: value`"));
    };
    if let Some(first) = seen.get(text) {
        let message = format!("`{text}` stands twice; the first is in line {first}");
        return Err(key.fault_at_node(message).with_help("keep one of the two"));
    }
    seen.insert(text.clone(), key.at.line);
    Ok(YamlField { key: text.clone(), key_at: key.at, key_width: key.width, value })
}

/// The place of a span; one that goes over several lines is marked at its first character.
fn locate_span(span: &Span) -> (Position, u32) {
    let at = Position { line: span.start.line().max(1) as u32, column: span.start.col() as u32 + 1 };
    let one_line = span.start.line() == span.end.line();
    let width = if one_line { span.end.col().saturating_sub(span.start.col()) as u32 } else { 1 };
    (at, width.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse_tree(text)
            .1
            .into_iter()
            .map(|f| format!("{}:{} {}", f.at.line, f.at.column, f.message))
            .collect()
    }

    #[test]
    fn a_mapping_in_a_list_stands_where_its_first_key_does() {
        let (root, faults) = parse_tree("users:\n  - name: alice\n    path: /x/\n");
        assert!(faults.is_empty());
        let NodeKind::Map(fields) = root.unwrap().kind else { panic!() };
        let NodeKind::List(items) = &fields[0].value.kind else { panic!() };
        assert_eq!(items[0].at, Position { line: 2, column: 5 });
    }

    #[test]
    fn what_hides_meaning_is_refused_with_its_place() {
        assert_eq!(faults("a: 1\na: 2\n"), ["2:1 `a` stands twice; the first is in line 1"]);
        assert_eq!(faults("a: &x 1\nb: *x\n").len(), 2);
        assert_eq!(faults("a: !!str 1\n").len(), 1);
        assert_eq!(faults("a: 1\n---\nb: 2\n"), ["2:1 a second document begins here"]);
        assert_eq!(faults("a: \"\\e[31m\"\n"), ["1:4 the character \\u{1b} cannot stand in a policy file"]);
    }

    #[test]
    fn text_that_is_none_is_told_with_its_place() {
        assert_eq!(decode_utf8(b"a: 1\nb: \xff").unwrap_err().at, Position { line: 2, column: 4 });
        assert_eq!(decode_utf8("\u{feff}a: 1".as_bytes()), Ok("a: 1"));
    }
}
