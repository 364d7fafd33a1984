//! The ages of the active keys against their limits, as bars to scale: the worst open, the others folded.

use std::fmt::Write;

use crate::report::timeline::{BarState, KeyBar};
use crate::sanitize::escape_html as clean;

/// How many bars are shown at once; the others are folded.
const SHOWN_BARS: usize = 20;

/// Renders the bars, the worst first, with a dashed line at each key's limit.
pub fn render_ages(bars: &[KeyBar]) -> String {
    let Some(longest) = bars.iter().map(|bar| bar.days.max(bar.limit_days.unwrap_or(0))).max() else {
        return String::new();
    };
    let (shown, folded) = bars.split_at(bars.len().min(SHOWN_BARS));
    let mut out = "<h2>Active keys by age</h2>\n<p class=\"legend\">".to_owned();
    for state in BarState::ALL {
        if !bars.iter().any(|bar| bar.state == state) {
            continue;
        }
        let _ = write!(out, "<span><i class=\"swatch {}\"></i>{}</span>", class(state), state.label());
    }
    out.push_str(
        "<span>length: days since the creation</span><span><i class=\"dash\"></i>limit \
         (<code>max_age</code>)</span></p>\n",
    );
    out.push_str(&render_list(shown, longest));
    if !folded.is_empty() {
        let list = render_list(folded, longest);
        let _ = writeln!(out, "<details><summary>{} more keys</summary>\n{list}</details>", folded.len());
    }
    out
}

fn render_list(bars: &[KeyBar], longest: i64) -> String {
    let mut out = "<ol class=\"bars\">\n".to_owned();
    bars.iter().for_each(|bar| out.push_str(&render_bar(bar, longest)));
    out + "</ol>\n"
}

fn render_bar(bar: &KeyBar, longest: i64) -> String {
    let mut line = String::new();
    let mut text = format!("{} d", bar.days);
    if let Some(limit) = bar.limit_days {
        let x = percent(limit, longest);
        // Below the dashes a line in the colour of the page: over a bar they could hardly be seen
        for class in ["halo", "dashes"] {
            let _ = write!(line, "<line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y2=\"100%\"/>");
        }
        let _ = write!(text, " of {limit}");
    }
    if let Some(rule) = bar.rule {
        let _ = write!(text, ", {rule}");
    } else if bar.state == BarState::Exempted {
        text.push_str(", exempt");
    }
    format!(
        "<li><span>{} <code>{}</code></span><svg><rect class=\"{}\" width=\"{}\" height=\"100%\"/>{line}</svg>\
         <span>{text}</span></li>\n",
        clean(&bar.user),
        clean(&bar.key),
        class(bar.state),
        percent(bar.days.max(1), longest)
    )
}

/// The share of the longest bar, at most 100, with one decimal.
fn percent(days: i64, longest: i64) -> String {
    let per_mille = (days * 1000 / longest.max(1)).min(1000);
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// The class of a state, for bars and for the table of users.
pub fn class(state: BarState) -> &'static str {
    match state {
        BarState::Fine => "bar-fine",
        BarState::NotAudited => "bar-unaudited",
        BarState::Exempted => "bar-exempted",
        BarState::Unknown => "bar-unknown",
        BarState::Warned => "bar-warned",
        BarState::Failed => "bar-failed",
    }
}
