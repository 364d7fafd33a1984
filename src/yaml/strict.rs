//! Parses a policy file and rejects what could hide its meaning from a reviewer: a second document, duplicate keys, aliases,
//! anchors, tags and control characters.

use std::collections::HashMap;

use super::reader::{ReadMode, read_file};
use super::tree::{NodeKind, YamlField, YamlNode};
use crate::diagnostic::{Position, SourceFault};
use crate::sanitize;

/// The largest policy file that is read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Decodes the bytes of a policy file and drops a byte order mark.
///
/// # Errors
/// The file is too large, or has a byte that is not UTF-8, at that byte.
pub fn decode_utf8(bytes: &[u8]) -> Result<&str, SourceFault> {
    // Checked before anything is parsed, so that a huge file costs nothing.
    if bytes.len() > MAX_BYTES {
        let message =
            format!("the file has {} bytes; the limit for a policy file is {MAX_BYTES}", bytes.len());
        return Err(SourceFault { at: Position::START, width: 1, message, help: None });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let message = "the file is not valid UTF-8".to_owned();
        SourceFault { at: end_position(&valid), width: 1, message, help: None }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn end_position(text: &str) -> Position {
    let line = text.matches('\n').count() as u32 + 1;
    let column = text.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    Position { line, column }
}

/// Reads the first document of a policy file, and returns with it everything that strictness rejects. Duplicate fields
/// are left out of the tree. After a syntax error there is no tree.
pub fn parse_strict(text: &str) -> (Option<YamlNode>, Vec<SourceFault>) {
    let (mut file, error) = read_file(text, ReadMode::Policy);
    let mut checker = StrictChecker::default();
    for root in &mut file.roots {
        checker.check_node(root);
    }
    if let Some((at, width)) = file.starts.get(1) {
        let message = "a policy file is one YAML document; a second one starts here".to_owned();
        checker
            .faults
            .push(SourceFault { at: *at, width: *width, message, help: None }.with_help("keep one document"));
    }
    if let Some(error) = error {
        let message = format!("invalid YAML: {error}");
        checker.faults.push(SourceFault { at: error.at, width: 1, message, help: None });
        return (None, checker.faults);
    }
    (file.roots.into_iter().next(), checker.faults)
}

#[derive(Default)]
struct StrictChecker {
    faults: Vec<SourceFault>,
}

impl StrictChecker {
    fn check_node(&mut self, node: &mut YamlNode) {
        self.check_syntax(node);
        match &mut node.kind {
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
            NodeKind::List(items) => items.iter_mut().for_each(|item| self.check_node(item)),
            NodeKind::Map(fields) => {
                for field in fields.iter_mut() {
                    self.check_node(&mut field.key);
                    self.check_node(&mut field.value);
                }
                // After the fields themselves, so that a duplicate is checked too before it is dropped.
                self.drop_duplicates(fields);
            }
        }
    }

    /// Rejects the parts of YAML that a policy file may not use.
    fn check_syntax(&mut self, node: &YamlNode) {
        if matches!(node.kind, NodeKind::Alias(_)) {
            let fault = node.fault_at_node("a policy file cannot use YAML aliases (`*name`)");
            self.faults.push(fault.with_help("write the value out"));
        }
        if node.has_anchor {
            let fault = fault_at_start(node, "a policy file cannot use YAML anchors (`&name`)");
            self.faults.push(fault.with_help("remove the anchor"));
        }
        if node.tag.is_some() {
            let fault = fault_at_start(node, "a policy file cannot use YAML tags (`!name`)");
            self.faults.push(fault.with_help("remove the tag"));
        }
        let mut characters = node.scalar_text().unwrap_or_default().chars();
        if let Some(c) = characters.find(|c| sanitize::is_harmful(*c) && !matches!(c, '\n' | '\t')) {
            let fault = node.fault_at_node(format!("the character {} is not allowed", c.escape_unicode()));
            self.faults.push(fault.with_help("remove it: it is invisible or controls the terminal"));
        }
    }

    /// Reports keys that occur twice and keys that are not scalars, and takes their fields out.
    fn drop_duplicates(&mut self, fields: &mut Vec<YamlField>) {
        let mut first_lines: HashMap<String, u32> = HashMap::new();
        fields.retain(|field| match check_key(field, &mut first_lines) {
            Ok(()) => true,
            Err(fault) => {
                self.faults.push(fault);
                false
            }
        });
    }
}

/// A fault at the first character: the position of a node is behind its anchor and tag, so its width says nothing.
fn fault_at_start(node: &YamlNode, message: &str) -> SourceFault {
    SourceFault { width: 1, ..node.fault_at_node(message) }
}

fn check_key(field: &YamlField, first_lines: &mut HashMap<String, u32>) -> Result<(), SourceFault> {
    let key = &field.key;
    let Some(name) = key.scalar_text() else {
        return Err(key.fault_at_node("expected a string as key").with_help("write `name: value`"));
    };
    if let Some(line) = first_lines.get(name) {
        let fault = key.fault_at_node(format!("duplicate key `{name}`"));
        return Err(fault.with_help(format!("keep one; the first is on line {line}")));
    }
    first_lines.insert(name.to_owned(), key.at.line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let show = |fault: SourceFault| format!("{}:{} {}", fault.at.line, fault.at.column, fault.message);
        parse_strict(text).1.into_iter().map(show).collect()
    }

    #[test]
    fn what_hides_meaning_is_rejected_at_its_place() {
        assert_eq!(faults("a: 1\na: 2\n"), ["2:1 duplicate key `a`"]);
        assert_eq!(faults("[a]: 2\n"), ["1:1 expected a string as key"]);
        assert_eq!(faults("a: &x 1\nb: *x\n").len(), 2);
        assert_eq!(faults("a: *x\n").len(), 1);
        assert_eq!(faults("a: !!str 1\n").len(), 1);
        assert_eq!(
            faults("a: 1\n---\nb: 2\n"),
            ["2:1 a policy file is one YAML document; a second one starts here"]
        );
        assert_eq!(faults("a: \"\\e[31m\"\n"), ["1:4 the character \\u{1b} is not allowed"]);
    }

    #[test]
    fn faults_in_front_of_a_syntax_error_are_reported_with_it() {
        let (root, faults) = parse_strict("a: 1\na: 2\nb: [");
        assert_eq!((root, faults.len()), (None, 2));
    }

    #[test]
    fn invalid_utf_8_is_reported_at_its_place() {
        assert_eq!(decode_utf8(b"a: 1\nb: \xff").unwrap_err().at, Position { line: 2, column: 4 });
        assert_eq!(decode_utf8("\u{feff}a: 1".as_bytes()), Ok("a: 1"));
    }
}
