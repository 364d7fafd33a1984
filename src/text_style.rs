//! The colours and the line lengths of text for people: reports, errors and their help.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// Shorter lines than this are not worth wrapping.
const MIN_WIDTH: usize = 40;

/// The word before a message, such as `error:`. Each has the colour that cargo gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Error,
    Warning,
    Note,
    Help,
}

impl Label {
    pub const fn style(self) -> Style {
        let colour = match self {
            Self::Error => AnsiColor::Red,
            Self::Warning => AnsiColor::Yellow,
            Self::Note | Self::Help => AnsiColor::Cyan,
        };
        colour.on_default().bold()
    }
}

/// How text is printed. The default is for files and pipes: no colour, and long lines stay whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextStyle {
    pub colour: bool,
    /// The number of columns at which lines wrap.
    pub width: Option<usize>,
}

impl TextStyle {
    pub fn paint(self, colour: AnsiColor, text: &str) -> String {
        self.apply(Style::new().fg_color(Some(colour.into())), text)
    }

    /// Colours the word of a label.
    pub fn label(self, label: Label, word: &str) -> String {
        self.apply(label.style(), word)
    }

    /// A text behind a word in a column of this width; the lines after the first have blanks in its place.
    pub fn labelled(self, label: Option<Label>, word: &str, column: usize, text: &str) -> String {
        let painted = label.map_or_else(|| self.dim(word), |label| self.label(label, word));
        let blank = " ".repeat(column.saturating_sub(word.len()));
        format!("{painted}{blank}{}\n", self.hang(column, text))
    }

    pub fn bold(self, text: &str) -> String {
        self.apply(Style::new().bold(), text)
    }

    pub fn dim(self, text: &str) -> String {
        self.apply(Style::new().dimmed(), text)
    }

    fn apply(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Splits one line at spaces, so that each part fits beside an indent of `indent` columns.
    pub fn wrap(self, indent: usize, text: &str) -> Vec<String> {
        let Some(width) = self.width else { return vec![text.to_owned()] };
        let room = width.max(MIN_WIDTH).saturating_sub(indent);
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split(' ') {
            // A word that is longer than a line stays whole: a broken path or command cannot be copied.
            if !line.is_empty() && line.width() + 1 + word.width() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        lines
    }

    /// Wraps a line behind a label of `indent` columns; the lines after the first have blanks in its place.
    pub fn hang(self, indent: usize, text: &str) -> String {
        self.hang_lines(indent, [text.to_owned()])
    }

    /// Wraps several lines behind a label, as [`Self::hang`] does one.
    pub fn hang_lines(self, indent: usize, lines: impl IntoIterator<Item = String>) -> String {
        let wrapped: Vec<String> = lines.into_iter().flat_map(|line| self.wrap(indent, &line)).collect();
        wrapped.join(&format!("\n{}", " ".repeat(indent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_at_words_with_a_hanging_indent() {
        let style = TextStyle { colour: false, width: Some(40) };
        let text =
            "rotate the key now, and then read `https://example.org/a/very/long/address/of/a/page` again";
        assert_eq!(
            style.hang(9, text),
            "rotate the key now, and then\n         read\n         \
             `https://example.org/a/very/long/address/of/a/page`\n         again"
        );
        assert_eq!(style.wrap(0, "ключи ключи ключи ключи ключи ключи ключи").len(), 2, "columns, not bytes");
        assert_eq!(TextStyle::default().hang(9, text), text);
    }
}
