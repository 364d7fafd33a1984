//! The timeline as SVG, for the page of the HTML format.

use std::fmt::Write;

use super::timeline::{BarState, KeyBar};
use crate::sanitize::escape_html as clean;

/// How many bars are shown at once; the others are folded.
const SHOWN_BARS: usize = 20;
const LEFT: i64 = 330;
const WIDTH: i64 = 520;
const ROW: i64 = 22;
/// The longest label that fits to the left of the bars.
const LABEL_CHARS: usize = 46;

/// Renders the bars to scale, with a dashed line at each key's limit.
pub fn render_timeline(bars: &[KeyBar]) -> String {
    let Some(longest) = bars.iter().map(|bar| bar.days.max(bar.limit_days.unwrap_or(0))).max() else {
        return String::new();
    };
    let (shown, folded) = bars.split_at(bars.len().min(SHOWN_BARS));
    let mut out = format!("<h2>Active keys by age</h2>\n{}", render_drawing(shown, longest));
    if !folded.is_empty() {
        let _ = writeln!(
            out,
            "<details><summary>{} younger keys</summary>\n{}</details>",
            folded.len(),
            render_drawing(folded, longest)
        );
    }
    out.push_str("<p class=\"dim\">");
    for state in BarState::ALL {
        let _ = write!(out, "<span class=\"swatch {}\"></span> {} &nbsp; ", class(state), state.label());
    }
    out + "Days since the creation; the dashed line is the limit (<code>max_age</code>).</p>\n"
}

fn render_drawing(bars: &[KeyBar], longest: i64) -> String {
    let height = bars.len() as i64 * ROW + 8;
    let mut out = format!(
        "<div class=\"scroll\"><svg viewBox=\"0 0 1000 {height}\" role=\"img\" aria-label=\"ages of the active keys\">\n"
    );
    for (row, bar) in bars.iter().enumerate() {
        out.push_str(&render_bar(bar, row as i64 * ROW + 4, longest));
    }
    out + "</svg></div>\n"
}

fn render_bar(bar: &KeyBar, top: i64, longest: i64) -> String {
    let end = x_of(bar.days, longest);
    let base = top + 14;
    let label = clean(&shorten_label(&format!("{} {}", bar.user, bar.key)));
    let rule = bar.rule.map(|rule| format!(", {rule}")).unwrap_or_default();
    let limit = bar.limit_days.map(|limit| x_of(limit, longest));
    // The text begins to the right of the limit where it would cross the dashed line.
    let text_x = match limit {
        Some(at) if at >= end && at < end + 60 => at + 8,
        _ => end + 8,
    };
    let mut out = String::new();
    // The line before the texts, whose outline keeps them readable across it
    if let (Some(at), Some(days)) = (limit, bar.limit_days) {
        let _ = writeln!(
            out,
            "<line x1=\"{at}\" y1=\"{}\" x2=\"{at}\" y2=\"{}\" stroke=\"currentColor\" stroke-dasharray=\"2 2\"><title>limit: \
             {days} days</title></line>",
            top - 2,
            top + 18
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"0\" y=\"{base}\">{label}</text><rect class=\"{}\" x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"16\" \
         rx=\"3\"/><text x=\"{text_x}\" y=\"{base}\">{} d{rule}</text>",
        class(bar.state),
        (end - LEFT).max(2),
        bar.days
    );
    out
}

fn x_of(days: i64, longest: i64) -> i64 {
    LEFT + days * WIDTH / longest.max(1)
}

fn class(state: BarState) -> &'static str {
    match state {
        BarState::Fine => "bar-fine",
        BarState::Exempted => "bar-exempted",
        BarState::Warned => "bar-warned",
        BarState::Failed => "bar-failed",
    }
}

fn shorten_label(text: &str) -> String {
    if text.chars().count() <= LABEL_CHARS {
        return text.to_owned();
    }
    text.chars().take(LABEL_CHARS - 1).chain(['…']).collect()
}
