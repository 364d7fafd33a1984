//! Edits the text of a YAML file by its tree: removes and renames fields, inserts lines. Every other byte stays.

use std::ops::Range;

use crate::diagnostic::Position;
use crate::yaml::edit::{TextEdit, apply_edits};
use crate::yaml::{NodeKind, ScalarStyle, YamlField, YamlNode};

/// Why a place cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EditError {
    pub at: Position,
    pub reason: String,
}

/// A text, and the edits that were collected so far.
pub struct TextEditor<'s> {
    source: &'s str,
    edits: Vec<TextEdit>,
    /// The line ends of the file. Found once: a search for every edit would read the file as often as it has jobs.
    line_end: &'static str,
}

impl<'s> TextEditor<'s> {
    pub fn new(source: &'s str) -> Self {
        let line_end = if source.contains("\r\n") { "\r\n" } else { "\n" };
        Self { source, edits: Vec::new(), line_end }
    }

    /// Applies the edits; `None` if two of them overlap.
    pub fn finish(mut self) -> Option<String> {
        // What is inserted where something is removed comes first.
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        apply_edits(self.source, self.edits)
    }

    /// The line ends of the file.
    pub fn line_end(&self) -> &'static str {
        self.line_end
    }

    /// The text of a scalar as it is written; `None` if it covers several lines.
    pub fn raw_scalar(&self, node: &YamlNode) -> Option<&'s str> {
        match node.kind {
            NodeKind::Scalar { style: ScalarStyle::Block, .. } => return None,
            NodeKind::Scalar { .. } => {}
            _ => return None,
        }
        self.source.get(node.range.clone()).filter(|text| !text.contains('\n'))
    }

    /// Whether a list or mapping is written in brackets.
    pub fn is_flow(&self, node: &YamlNode) -> bool {
        self.source[node.range.start..].starts_with(['{', '['])
    }

    /// The number of spaces before the first field of a block mapping, dashes of lists included.
    pub fn indent_of(&self, map: &YamlNode) -> usize {
        map.fields().first().map_or(0, |field| field.key.at.column as usize - 1)
    }

    /// Replaces the name and the value of a field.
    pub fn rename_field(&mut self, field: &YamlField, name: &str, value: &str) {
        let name = match field.key.kind {
            NodeKind::Scalar { style: ScalarStyle::SingleQuoted, .. } => format!("'{name}'"),
            NodeKind::Scalar { style: ScalarStyle::DoubleQuoted, .. } => format!("\"{name}\""),
            _ => name.to_owned(),
        };
        self.edits.push((field.key.range.clone(), name));
        self.replace_value(&field.value, value);
    }

    /// Replaces a scalar by a value that needs no escapes.
    pub fn replace_value(&mut self, node: &YamlNode, value: &str) {
        if let Some(spot) = node.scalar_spot() {
            self.edits.push(spot.replace_with(self.source, value));
        }
    }

    /// Removes fields of a mapping, given by their indexes in order, of which at least one stays.
    ///
    /// # Errors
    /// The fields are written in a way in which they cannot be taken out alone.
    pub fn remove_fields(&mut self, map: &YamlNode, indexes: &[usize]) -> Result<(), EditError> {
        if self.is_flow(map) {
            return self.remove_flow_fields(map, indexes);
        }
        for index in indexes {
            self.remove_block_field(map, *index)?;
        }
        Ok(())
    }

    fn remove_block_field(&mut self, map: &YamlNode, index: usize) -> Result<(), EditError> {
        let field = &map.fields()[index];
        let start = field.key.range.start;
        let line_start = self.line_start(start);
        let end = self.field_end(field);
        let line_end = self.next_line(end);
        if self.source[line_start..start].trim().is_empty() {
            let rest = self.source[end..line_end].trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(edit_error(
                    field,
                    &format!("another value is on the line of `{}`", field.name()),
                ));
            }
            self.edits.push((line_start..line_end, String::new()));
            return Ok(());
        }
        // The first field of a list item: the next one takes its place behind the dash.
        let next = map.fields().get(index + 1).map(|next| next.key.range.start);
        match next.filter(|next| index == 0 && !self.source[start..*next].contains('#')) {
            Some(next) => {
                self.edits.push((start..next, String::new()));
                Ok(())
            }
            None => Err(edit_error(
                field,
                &format!(
                    "`{}` is not on lines of its own, or has a comment below it: write it below another field",
                    field.name()
                ),
            )),
        }
    }

    fn remove_flow_fields(&mut self, map: &YamlNode, indexes: &[usize]) -> Result<(), EditError> {
        let fields = map.fields();
        let mut at = 0;
        while let Some(first) = indexes.get(at).copied() {
            let mut last = first;
            while indexes.get(at + 1) == Some(&(last + 1)) {
                at += 1;
                last += 1;
            }
            at += 1;
            let range = match (fields.get(last + 1), first.checked_sub(1)) {
                (Some(next), _) => fields[first].key.range.start..next.key.range.start,
                (None, Some(before)) => self.field_end(&fields[before])..self.field_end(&fields[last]),
                (None, None) => return Err(edit_error(&fields[first], "the mapping would be empty")),
            };
            if self.source[range.clone()].contains('#') {
                return Err(edit_error(&fields[first], "there is a comment between the fields"));
            }
            self.edits.push((range, String::new()));
        }
        Ok(())
    }

    /// Inserts lines before that of a byte, which has only spaces and dashes before the byte.
    pub fn insert_lines_before(&mut self, at: usize, lines: &[String]) {
        let at = self.line_start(at);
        self.insert_lines_at(at, lines);
    }

    /// Inserts lines after that on which a field ends.
    pub fn insert_lines_after(&mut self, field: &YamlField, lines: &[String]) {
        let at = self.next_line(self.field_end(field));
        self.insert_lines_at(at, lines);
    }

    fn insert_lines_at(&mut self, at: usize, lines: &[String]) {
        let line_end = self.line_end();
        let mut text: String = lines.iter().map(|line| format!("{line}{line_end}")).collect();
        // The last line of a file may have no end.
        if at > 0 && !self.source[..at].ends_with('\n') {
            text.insert_str(0, line_end);
            text.truncate(text.len() - line_end.len());
        }
        self.edits.push((at..at, text));
    }

    /// How many spaces one level is indented by: as deep as a nested mapping of this one, else as this one in its owner.
    pub fn indent_step(&self, map: &YamlNode) -> usize {
        let outer = self.indent_of(map);
        if let Some(nested) = self.nested_step(map) {
            return nested;
        }
        // The name of a job is one level further out than its fields.
        let before = self.source[..self.line_start(map.range.start)].lines().rev();
        let written = before.filter(|line| !line.trim().is_empty());
        let named = written.map(|line| line.len() - line.trim_start().len()).find(|indent| *indent < outer);
        named.map_or(2, |indent| outer - indent)
    }

    /// How much deeper a nested mapping is indented; `None` if there is none.
    pub fn nested_step(&self, map: &YamlNode) -> Option<usize> {
        let outer = self.indent_of(map);
        let mut values = map.fields().iter().map(|field| &field.value);
        let nested = values.find(|value| !value.fields().is_empty() && !self.is_flow(value))?;
        Some(self.indent_of(nested).saturating_sub(outer).max(1))
    }

    /// Replaces a part of the text.
    pub fn replace_range(&mut self, range: Range<usize>, text: String) {
        self.edits.push((range, text));
    }

    /// Inserts text at a byte.
    pub fn insert_text(&mut self, at: usize, text: String) {
        self.edits.push((at..at, text));
    }

    /// The start of the comment lines directly above a byte's line, or of that line.
    pub fn comment_start(&self, at: usize) -> usize {
        let mut start = self.line_start(at);
        while start > 0 {
            let above = self.line_start(start - 1);
            if !self.source[above..start].trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        start
    }

    /// Whether there is an empty line above a byte's line.
    pub fn has_empty_line_above(&self, at: usize) -> bool {
        let start = self.line_start(at);
        start > 0 && self.source[self.line_start(start - 1)..start].trim().is_empty()
    }

    pub fn line_start(&self, at: usize) -> usize {
        self.source[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    fn next_line(&self, at: usize) -> usize {
        self.source[at..].find('\n').map_or(self.source.len(), |end| at + end + 1)
    }

    /// What is before a byte on its line.
    pub fn line_before(&self, at: usize) -> &'s str {
        &self.source[self.line_start(at)..at]
    }

    /// Where a field ends.
    pub fn field_end(&self, field: &YamlField) -> usize {
        let after_key = field.key.range.end;
        // The parser puts a value that is not there before what comes next, on another line.
        if matches!(field.value.kind, NodeKind::Scalar { .. }) && field.value.range.is_empty() {
            return self.source[after_key..].find(':').map_or(after_key, |colon| after_key + colon + 1);
        }
        self.node_end(&field.value).max(after_key)
    }

    /// Where a node ends. The range of a collection is that of its start.
    pub fn node_end(&self, node: &YamlNode) -> usize {
        let inner = match &node.kind {
            NodeKind::Alias(_) => return node.range.end,
            NodeKind::Scalar { style, .. } => {
                let text = &self.source[node.range.clone()];
                let is_block = *style == ScalarStyle::Block;
                let text = if is_block { text.trim_end_matches(['\r', '\n', ' ']) } else { text };
                return node.range.start + text.len();
            }
            NodeKind::List(items) => items.last().map(|item| self.node_end(item)),
            NodeKind::Map(fields) => fields.last().map(|field| self.field_end(field)),
        };
        if !self.is_flow(node) {
            return inner.unwrap_or(node.range.end);
        }
        let mut at = inner.unwrap_or(node.range.start + 1);
        // Between the last value and the bracket are spaces, a comma and comments only.
        while let Some(character) = self.source[at..].chars().next() {
            match character {
                '#' => at = self.next_line(at),
                '}' | ']' => return at + 1,
                other => at += other.len_utf8(),
            }
        }
        at
    }
}

fn edit_error(field: &YamlField, reason: &str) -> EditError {
    EditError { at: field.key.at, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_editable;

    fn remove(source: &str, indexes: &[usize]) -> Result<String, EditError> {
        let file = parse_editable(source).unwrap();
        let map = file.roots[0].get("with").unwrap();
        let mut editor = TextEditor::new(source);
        editor.remove_fields(map, indexes)?;
        Ok(editor.finish().unwrap())
    }

    #[test]
    fn fields_are_removed_in_every_style() {
        for (source, indexes, expected) in [
            ("with:\r\n  a: 1 # x\r\n  # y\r\n  b: 2\r\n", &[0][..], "with:\r\n  # y\r\n  b: 2\r\n"),
            ("with: { a: 1, b: 2, c: 3 }\n", &[0, 1], "with: { c: 3 }\n"),
            ("with: { a: 1, b: 2, c: 3 }\n", &[1, 2], "with: { a: 1 }\n"),
            ("with: { a: 1, b: 2, c: 3, }\n", &[1], "with: { a: 1, c: 3, }\n"),
            ("with:\n  a: 1\n  b:\n    c: [1,\n      2] # x\n", &[1], "with:\n  a: 1\n"),
            ("with:\n  a: 1\n  b: 2", &[1], "with:\n  a: 1\n"),
        ] {
            assert_eq!(remove(source, indexes).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn what_is_not_alone_stays() {
        assert!(remove("with: {\n a: 1, # x\n b: 2 }\n", &[0]).is_err());
        assert!(remove("with: { a: 1 }\n", &[0]).is_err());
    }
}
