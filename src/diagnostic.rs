//! Renders an error at a place in a text file: `FILE:LINE:COLUMN: error: message`, the line itself, and a help line.

use crate::excerpt::LineExcerpt;
pub use crate::position::{Position, SourceText};
use crate::sanitize;
use crate::text_style::{Label, TextStyle};

/// An error in a text whose file name is not known yet; [`Diagnostic`] adds the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    pub at: Position,
    /// How many characters to mark, at least one.
    pub width: u32,
    pub message: String,
    pub help: Option<String>,
}

impl SourceFault {
    /// An error at one character.
    pub fn at_character(at: Position, message: String, help: &str) -> Self {
        Self { at, width: 1, message, help: Some(help.to_owned()) }
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One error in a file. Its texts may quote the file; [`Diagnostic::render`] escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: String,
    pub at: Position,
    /// How many characters to mark, at least one.
    pub width: u32,
    pub message: String,
    pub help: Option<String>,
    /// The line of the file without possible secrets; empty when there is none to show.
    pub line: String,
}

impl Diagnostic {
    /// Returns the complete text for a terminal, with a line feed at its end.
    pub fn render(&self, style: TextStyle) -> String {
        let Position { line, column } = self.at;
        let place = format!("{}:{line}:{column}:", sanitize::escape_line(&self.file));
        let (place, label) = (style.bold(&place), style.label(Label::Error, "error:"));
        let mut out = format!("{place} {label} {}\n", sanitize::escape_line(&self.message));
        if let Some(excerpt) = self.excerpt() {
            out.push_str(&excerpt.render(Label::Error, style));
        }
        if let Some(help) = &self.help {
            let label = style.label(Label::Help, "help:");
            out.push_str(&format!("  {label} {}\n", style.hang(8, &sanitize::escape_line(help))));
        }
        out
    }

    /// Its line with the mark; `None` if the line is empty.
    pub fn excerpt(&self) -> Option<LineExcerpt> {
        let is_blank = self.line.trim().is_empty();
        (!is_blank).then(|| LineExcerpt::new(self.at, self.width, &self.line))
    }

    /// Masks every access key ID and account ID in its texts.
    #[must_use]
    pub fn mask_identifiers(mut self) -> Self {
        for text in [&mut self.message, &mut self.line].into_iter().chain(&mut self.help) {
            *text = sanitize::mask_identifiers(text);
        }
        self
    }
}
