//! Places in text files.

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
