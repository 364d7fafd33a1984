//! Renders an error at a place in a text file: `FILE:LINE:COLUMN: error: message`, the line itself, and a help line.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::sanitize;

/// How many characters of a long line are shown on either side of the marked ones.
const CONTEXT_CHARS: usize = 60;

/// A line and a column of a text file, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    /// The start of a file, for an error about the whole of it.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A text, and where each of its lines begins: a place in it is found without reading the text again.
pub struct SourceText<'s> {
    pub text: &'s str,
    line_starts: Vec<usize>,
}

impl<'s> SourceText<'s> {
    pub fn new(text: &'s str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        Self { text, line_starts: std::iter::once(0).chain(ends.map(|end| end + 1)).collect() }
    }

    /// The place of a byte of the text.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Position { line: line as u32, column: column as u32 + 1 }
    }
}

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
    /// The line of the file; empty when there is none to show.
    pub line: String,
}

impl Diagnostic {
    /// Returns the complete text for a terminal, without colours, with a line feed at its end.
    pub fn render(&self) -> String {
        let Position { line, column } = self.at;
        let file = sanitize::escape_line(&self.file);
        let mut out = format!("{file}:{line}:{column}: error: {}\n", sanitize::escape_line(&self.message));
        if !self.line.trim().is_empty() {
            out.push_str(&self.render_snippet());
            out.push('\n');
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("  help: {}\n", sanitize::escape_line(help)));
        }
        out
    }

    fn render_snippet(&self) -> String {
        let (before, marked, after) = self.split_line();
        let source = format!("{before}{marked}{after}");
        let start = before.len();
        let end = (start + marked.len()).min(source.len());
        let snippet = Snippet::source(source)
            .line_start(self.at.line as usize)
            .annotation(AnnotationKind::Primary.span(start..end));
        let group = Group::with_level(Level::ERROR).element(snippet);
        Renderer::plain().render(&[group])
    }

    /// Splits the line into what is before, in and after the mark, escaped and cut to the width of a screen.
    fn split_line(&self) -> (String, String, String) {
        let chars: Vec<char> = self.line.chars().collect();
        let start = (self.at.column as usize - 1).min(chars.len());
        let end = (start + self.width.max(1) as usize).min(chars.len());
        let from = start.saturating_sub(CONTEXT_CHARS);
        let ellipsis = if from > 0 { "…" } else { "" };
        let marked = &chars[start..end];
        let cut = marked.len().min(CONTEXT_CHARS);
        let after = &chars[end..(end + CONTEXT_CHARS).min(chars.len())];
        let before = format!("{ellipsis}{}", escape_part(&chars[from..start]));
        (before, escape_part(&marked[..cut]), escape_part(after))
    }
}

/// A tab becomes one space: the marks below the line count every character as one column.
fn escape_part(part: &[char]) -> String {
    sanitize::escape_line(&part.iter().collect::<String>().replace('\t', " "))
}
