//! A line of a file as people see it below a message: with its number, and a mark below the place.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::position::Position;
use crate::sanitize;
use crate::text_style::{Label, TextStyle};

/// How many characters of a long line are shown on either side of the marked ones, and of these.
const CONTEXT_CHARS: usize = 60;
/// How many characters of a long line are kept on either side of the marked ones: more than are shown.
const KEPT_CHARS: usize = 2 * CONTEXT_CHARS;
/// The fewest characters that are shown before and in the mark on a narrow terminal.
const MIN_CHARS: usize = 12;
/// The columns of two ellipses and of the gutter ` | ` beside the line number.
const GUTTER: usize = 6;

/// What may be shown of a line: no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineExcerpt {
    pub line: u32,
    pub text: String,
    /// How many characters of the text are before the mark, and how many are marked.
    before: usize,
    width: usize,
}

impl LineExcerpt {
    /// A line with a mark at a place in it. Of a long line only the part around the mark is kept.
    pub fn new(at: Position, width: u32, text: &str) -> Self {
        let start = at.column.max(1) as usize - 1;
        let skipped = start.saturating_sub(KEPT_CHARS);
        let width = (width.max(1) as usize).min(KEPT_CHARS);
        let before = start - skipped;
        let text = text.chars().skip(skipped).take(before + width + KEPT_CHARS).collect();
        Self { line: at.line, text, before, width }
    }

    /// A line with a mark from a place to the end of its value.
    pub fn of_value(at: Position, text: &str) -> Self {
        let value: String = text.chars().skip(at.column.max(1) as usize - 1).collect();
        // Neither a comment nor the next entry of a flow mapping belongs to the value.
        let end = [" #", ", "].iter().filter_map(|end| value.find(end)).min().unwrap_or(value.len());
        let value = value[..end].trim_end();
        Self::new(at, value.chars().count() as u32, text)
    }

    /// The start of a line, and the marked end.
    pub fn of_end(line: u32, start: &str, end: &str) -> Self {
        let (before, width) = (start.chars().count(), end.chars().count());
        Self { line, text: format!("{start}{end}"), before, width }
    }

    /// Masks every access key ID and account ID. The mark stays at its place.
    pub fn mask_identifiers(&mut self) {
        let (before, marked, after) = self.split_at_mark();
        let [before, marked, after] = [before, marked, after].map(|part| sanitize::mask_identifiers(&part));
        self.before = before.chars().count();
        self.width = marked.chars().count();
        // Once more as one: an ID that the mark divides is masked too.
        self.text = sanitize::mask_identifiers(&[before, marked, after].concat());
    }

    /// The line with its number and the mark, for a terminal; `style` says how wide it may be.
    pub fn render(&self, label: Label, style: TextStyle) -> String {
        let (before, marked, after) = self.cut_to_width(style);
        let source = format!("{before}{marked}{after}");
        let (start, end) = (before.len(), before.len() + marked.len());
        let snippet = Snippet::source(source)
            .line_start(self.line as usize)
            .annotation(AnnotationKind::Primary.span(start..end));
        let level = match label {
            Label::Error => Level::ERROR,
            Label::Warning => Level::WARNING,
            Label::Note => Level::NOTE,
            Label::Help => Level::HELP,
        };
        let renderer = if style.colour {
            let [error, warning, note] = [Label::Error, Label::Warning, Label::Note].map(Label::style);
            Renderer::styled().error(error).warning(warning).note(note)
        } else {
            Renderer::plain()
        };
        renderer.render(&[Group::with_level(level).element(snippet)]) + "\n"
    }

    /// How many columns the number of the line takes.
    pub fn number_width(&self) -> usize {
        self.line.to_string().len()
    }

    /// What is before, in and behind the mark.
    fn split_at_mark(&self) -> (String, String, String) {
        let mut chars = self.text.chars();
        let before = chars.by_ref().take(self.before).collect();
        let marked = chars.by_ref().take(self.width).collect();
        (before, marked, chars.collect())
    }

    /// The same, escaped and cut to the width of a screen.
    fn cut_to_width(&self, style: TextStyle) -> (String, String, String) {
        let (before, marked, after) = self.split_at_mark();
        let room =
            style.width.map(|width| width.saturating_sub(self.number_width() + GUTTER).max(2 * MIN_CHARS));
        let limit = room.unwrap_or(CONTEXT_CHARS).min(CONTEXT_CHARS);
        let limit = limit.max(MIN_CHARS);
        let is_mark_cut = marked.chars().count() > limit;
        let marked: String = marked.chars().take(limit).collect();
        let rest = room.map_or(CONTEXT_CHARS, |room| room.saturating_sub(marked.chars().count()));
        let skipped = before.chars().count().saturating_sub(rest.clamp(MIN_CHARS, CONTEXT_CHARS));
        let ellipsis = if skipped > 0 { "…" } else { "" };
        let before: String = before.chars().skip(skipped).collect();
        let rest = room.map_or(CONTEXT_CHARS, |_| rest.saturating_sub(before.chars().count()));
        let rest = rest.min(CONTEXT_CHARS);
        let is_cut = is_mark_cut || after.chars().count() > rest;
        let mut after: String = if is_mark_cut { String::new() } else { after.chars().take(rest).collect() };
        after.push_str(if is_cut { "…" } else { "" });
        (format!("{ellipsis}{}", escape_part(&before)), escape_part(&marked), escape_part(&after))
    }
}

/// A tab becomes one space: the marks below the line count every character as one column.
fn escape_part(part: &str) -> String {
    sanitize::escape_line(&part.replace('\t', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(column: u32, text: &str) -> LineExcerpt {
        LineExcerpt::of_value(Position { line: 12, column }, text)
    }

    #[test]
    fn the_mark_is_below_the_value_and_not_below_its_comment() {
        assert_eq!(
            excerpt(11, "  - name: CHANGE-ME # the user").render(Label::Error, TextStyle::default()),
            "   |\n12 |   - name: CHANGE-ME # the user\n   |           ^^^^^^^^^\n"
        );
    }

    #[test]
    fn a_long_line_fits_the_terminal_and_shows_the_mark() {
        let style = TextStyle { colour: false, width: Some(50) };
        let text = excerpt(201, &format!("{}: wrong value", "x".repeat(199))).render(Label::Error, style);
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        assert!(text.contains("wrong value") && text.contains('…'), "{text}");
        assert!(text.trim_end().ends_with("^^^"), "{text}");
    }

    #[test]
    fn an_id_that_the_mark_divides_is_masked() {
        let mut divided = excerpt(10, "id: AKIAIOSFODNN7EXAMPLE and more");
        divided.mask_identifiers();
        assert_eq!(divided.text, "id: AKIA…MPLE and more");
    }

    #[test]
    fn control_characters_are_shown_as_escapes() {
        let text =
            excerpt(1, "a\u{1b}[31m\u{202e}b").render(Label::Error, TextStyle { colour: true, width: None });
        assert!(text.contains("a\\u{1b}[31m\\u{202e}b"), "{text}");
    }
}
