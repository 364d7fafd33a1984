//! YAML and JSON files of the repository → trees with places: several documents, nothing refused but bad syntax.
//!
//! The types are those of the policy reader. An alias is an empty scalar: the formats read here never need one.

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::diagnostic::Position;
use crate::yaml::strict::{NodeKind, YamlField, YamlNode};

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 128;

/// The documents of a file.
///
/// # Errors
/// What is wrong with its syntax, and where.
pub fn parse_documents(text: &str) -> Result<Vec<YamlNode>, (Position, String)> {
    let options = granit_parser::options! {
        emit_comments: false, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH,
        emit_unresolved_aliases: true,
    };
    let mut builder = DocumentBuilder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.handle_event(event, &span),
            Err(error) => {
                let (line, column) = (error.marker().line().max(1) as u32, error.marker().col() as u32 + 1);
                return Err((Position { line, column }, error.info().to_owned()));
            }
        }
    }
    Ok(builder.roots)
}

#[derive(Default)]
struct DocumentBuilder {
    open: Vec<(YamlNode, Option<YamlNode>)>,
    roots: Vec<YamlNode>,
}

impl DocumentBuilder {
    fn handle_event(&mut self, event: Event<'_>, span: &Span) {
        let at = Position { line: span.start.line().max(1) as u32, column: span.start.col() as u32 + 1 };
        let node = |kind| YamlNode { kind, at, width: 1 };
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                self.add_node(node(NodeKind::Scalar { text: text.into_owned(), plain }));
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.add_node(node(NodeKind::Scalar { text: String::new(), plain: true }));
            }
            Event::SequenceStart(..) => self.open.push((node(NodeKind::List(Vec::new())), None)),
            Event::MappingStart(..) => self.open.push((node(NodeKind::Map(Vec::new())), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.add_node(node);
                }
            }
            _ => {}
        }
    }

    fn add_node(&mut self, node: YamlNode) {
        let Some((parent, key)) = self.open.last_mut() else {
            self.roots.push(node);
            return;
        };
        match (&mut parent.kind, key.take()) {
            (NodeKind::List(items), _) => items.push(node),
            (NodeKind::Map(_), None) => *key = Some(node),
            (NodeKind::Map(fields), Some(name)) => fields.push(YamlField {
                key: name.scalar_text().unwrap_or_default().to_owned(),
                key_at: name.at,
                key_width: 1,
                value: node,
            }),
            (NodeKind::Scalar { .. } | NodeKind::Refused, _) => {}
        }
    }
}

impl YamlNode {
    /// The text of a scalar.
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The fields of a mapping; none of anything else.
    pub fn fields(&self) -> &[YamlField] {
        match &self.kind {
            NodeKind::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[YamlNode] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a field of a mapping.
    pub fn get(&self, name: &str) -> Option<&YamlNode> {
        self.fields().iter().find(|field| field.key == name).map(|field| &field.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_anchors_and_tabs_in_json_are_read() {
        let roots = parse_documents("a: &x 1\nb: *x\n---\nc: [1, {d: 2}]\n").unwrap();
        assert_eq!(roots.len(), 2);
        assert_eq!(roots[1].get("c").unwrap().items()[1].get("d").unwrap().scalar_text(), Some("2"));
        let json = parse_documents("{\n\t\"a\": {\n\t\t\"b\": \"x\\/y\"\n\t}\n}").unwrap();
        let b = json[0].get("a").unwrap().get("b").unwrap();
        assert_eq!((b.scalar_text(), b.at), (Some("x/y"), Position { line: 3, column: 8 }));
    }

    #[test]
    fn bad_syntax_has_a_place() {
        assert_eq!(parse_documents("a: 1\nb: [").unwrap_err().0.line, 2);
    }
}
