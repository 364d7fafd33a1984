//! The picture of the keys' ages: the same bars for Mermaid and for SVG.

use super::{Report, age_days, text::key_name};
use crate::rules::Severity;

/// One bar: an active key, from its creation to now.
pub struct KeyBar {
    pub user: String,
    pub key: String,
    pub from: jiff::civil::Date,
    pub days: i64,
    pub limit_days: Option<i64>,
    pub state: BarState,
}

/// How a key stands to its limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BarState {
    Young,
    Warned,
    Over,
}

/// The active keys, the oldest first.
pub fn key_bars(report: &Report) -> Vec<KeyBar> {
    let mut bars: Vec<KeyBar> = report
        .user_lines()
        .flat_map(|line| line.user.keys_by_age().into_iter().map(move |(ordinal, key)| (line, ordinal, key)))
        .filter(|(_, _, key)| key.status.can_sign())
        .map(|(line, ordinal, key)| KeyBar {
            user: line.user.name.clone(),
            key: key_name(key),
            from: key.created_at.to_zoned(jiff::tz::TimeZone::UTC).date(),
            days: age_days(report, key),
            limit_days: line.max_age.map(|max| max.as_hours() / 24),
            state: bar_state(report, &line.user.name, ordinal),
        })
        .collect();
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.days));
    bars
}

/// What the rule about age said of this key; an exemption makes no key younger.
fn bar_state(report: &Report, user: &str, ordinal: usize) -> BarState {
    let about = report.findings.iter().filter(|finding| {
        finding.rule == "key-age"
            && finding.user.as_deref() == Some(user)
            && finding.key_ordinal == Some(ordinal)
    });
    match about.map(|finding| finding.severity).max() {
        Some(Severity::Error) => BarState::Over,
        Some(_) => BarState::Warned,
        None => BarState::Young,
    }
}
