//! A complaint about a place in a file: `FILE:LINE:COLUMN: error: message`, the line itself and what to write.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::sanitize;

/// How much of a long line is shown on either side of the place.
const CONTEXT_CHARS: usize = 60;

/// A place in a text file, counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    /// The start of a file, for what has no better place.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// One complaint. Its texts may quote the file; [`Diagnostic::render`] makes them harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: String,
    pub at: Position,
    /// How many characters the place covers, at least one.
    pub width: u32,
    pub message: String,
    pub help: Option<String>,
    /// The line of the file, empty where there is none to show.
    pub line: String,
}

impl Diagnostic {
    /// The whole complaint for a person, without colours, ending with a line feed.
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

    /// The line in three parts, harmless and short enough for a screen.
    fn split_line(&self) -> (String, String, String) {
        let chars: Vec<char> = self.line.chars().collect();
        let start = (self.at.column as usize - 1).min(chars.len());
        let end = (start + self.width.max(1) as usize).min(chars.len());
        let text = |part: &[char]| sanitize::escape_line(&part.iter().collect::<String>().replace('\t', " "));
        let from = start.saturating_sub(CONTEXT_CHARS);
        let ellipsis = if from > 0 { "…" } else { "" };
        let marked = &chars[start..end];
        let cut = marked.len().min(CONTEXT_CHARS);
        let after = &chars[end..(end + CONTEXT_CHARS).min(chars.len())];
        (format!("{ellipsis}{}", text(&chars[from..start])), text(&marked[..cut]), text(after))
    }
}
