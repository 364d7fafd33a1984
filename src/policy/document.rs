//! Reads a file of one of keytide's own types, for policy files and for `fleet.yml`: every error at its place, with the line
//! of the text.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::schema;
use super::shape::ShapeChecker;
use crate::diagnostic::{Diagnostic, Position, SourceFault};
use crate::sanitize::{cover_possible_secrets, hide_possible_secrets, is_harmful};
use crate::yaml::strict;

/// How many errors of one file are reported. Each holds its line, and a long line can hold an error in every character.
const MAX_DIAGNOSTICS: usize = 100;

/// A kind of file that is no policy file, and is read as strictly.
pub struct DocumentKind<'a, T> {
    /// What to write into an empty file.
    pub empty_help: &'a str,
    /// The schema for the shape check.
    pub shape: &'a str,
    /// The names that an exemption may list.
    pub rules: &'a [&'a str],
    /// The errors between the fields.
    pub check: fn(&T) -> Vec<SourceFault>,
}

impl<T: DeserializeOwned> DocumentKind<'_, T> {
    /// Reads a file of this kind; `file` is its name in errors.
    ///
    /// # Errors
    /// Every error in the file, in the order of the text.
    pub fn read(&self, file: &str, bytes: &[u8]) -> Result<T, Vec<Diagnostic>> {
        let text = strict::decode_utf8(bytes).map_err(|fault| to_diagnostics(file, "", vec![fault]))?;
        let schema = schema::read_shape(self.shape);
        let (document, mut faults) = parse_document::<T>(text, &schema, self.rules, self.empty_help);
        if let Some(document) = &document {
            faults.extend((self.check)(document));
        }
        match document {
            Some(document) if faults.is_empty() => Ok(document),
            _ => Err(to_diagnostics(file, text, faults)),
        }
    }
}

/// Parses a text into one of the file's types, and returns every error with it.
pub(super) fn parse_document<T: DeserializeOwned>(
    text: &str,
    schema: &Json,
    rules: &[&str],
    empty_help: &str,
) -> (Option<T>, Vec<SourceFault>) {
    let (root, mut faults) = strict::parse_strict(text);
    let Some(root) = root else {
        if faults.is_empty() {
            let message = "the file is empty".to_owned();
            let fault = SourceFault { at: Position::START, width: 1, message, help: None };
            faults.push(fault.with_help(empty_help));
        }
        return (None, faults);
    };
    let mut shape = ShapeChecker::new(schema, rules, faults);
    let value = shape.check_value(&root, schema);
    let mut faults = shape.faults;
    let typed = value.and_then(|value| match serde_yaml::from_value(value) {
        Ok(typed) => Some(typed),
        Err(error) => {
            faults.push(root.fault_at_node(format!("the file cannot be read: {error}")));
            None
        }
    });
    (typed, faults)
}

/// Adds the file and the line to faults, hides what may be a secret in the values that they quote, and sorts them in the order of the text.
pub(super) fn to_diagnostics(file: &str, text: &str, mut faults: Vec<SourceFault>) -> Vec<Diagnostic> {
    faults.sort_by_key(|fault| fault.at);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut diagnostics = Vec::new();
    // Each diagnostic holds its line, so a long line with many errors would fill the memory.
    let rest = faults.split_off(faults.len().min(MAX_DIAGNOSTICS));
    if let Some(next) = rest.first() {
        let message = format!("{} more errors from here on are not shown", rest.len());
        faults.push(SourceFault { at: next.at, width: 1, message, help: None });
    }
    for SourceFault { at, width, message, help } in faults {
        let line = lines.get(at.line as usize - 1).copied().unwrap_or("").trim_end_matches('\r').to_owned();
        let help = explain_white_space(&line).or(help);
        let line = cover_possible_secrets(&line);
        let (message, help) = (hide_possible_secrets(&message), help.as_deref().map(hide_possible_secrets));
        diagnostics.push(Diagnostic { file: file.to_owned(), at, width, line, message, help });
    }
    diagnostics
}

/// Names the first character of a faulty line that looks like a space and is none: text that was copied from a web page
/// has no-break spaces, which YAML takes for letters. Characters that show nothing at all have an error of their own.
fn explain_white_space(line: &str) -> Option<String> {
    let mut characters = line.chars().enumerate();
    let (index, c) = characters.find(|(_, c)| !c.is_ascii() && c.is_whitespace() && !is_harmful(*c))?;
    let name = if c == '\u{a0}' { "a no-break space" } else { "white space that is no space" };
    Some(format!("column {} holds {name}, U+{:04X}: type a space in its place", index + 1, u32::from(c)))
}
