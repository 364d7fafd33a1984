//! The bars of the timeline: one for each active key, for Mermaid and for SVG.

use std::cmp::Reverse;

use super::keys::{age_days, due_day, key_name, oldest_active_days};
use super::model::{Report, UserLine};
use super::user_index::UserIndex;
use crate::iam::AccessKey;
use crate::rules::{Finding, Severity, rank_urgency};

/// The rules about a user's other credentials: their findings say nothing of its keys.
const NOT_ABOUT_KEYS: [&str; 2] = ["service-credential-age", "service-credential-count"];

/// An active key, from its creation to the time of the report.
pub struct KeyBar {
    pub user: String,
    pub key: String,
    pub from: jiff::civil::Date,
    pub days: i64,
    pub limit_days: Option<i64>,
    pub state: BarState,
    /// The rule that gives the bar its state, unless it is the age, which the bar shows.
    pub rule: Option<&'static str>,
}

/// The worst that is known of a key. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BarState {
    Fine,
    /// The key is younger than its limit, and the command applies no other rule: a rotation command does not audit.
    NotAudited,
    /// There are findings, and an exemption accepts them.
    Exempted,
    /// Something about the user could not be read, so that a finding may be missing.
    Unknown,
    Warned,
    Failed,
}

impl BarState {
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Warned, Self::Unknown, Self::Exempted, Self::NotAudited, Self::Fine];

    /// What the legend says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fine => "no finding",
            Self::NotAudited => "below the limit, not audited",
            Self::Exempted => "exempt",
            Self::Unknown => "not fully read",
            Self::Warned => "warning or note",
            Self::Failed => "error",
        }
    }
}

/// Returns the bars of the active keys, the worst first and among equals the oldest.
pub fn key_bars(report: &Report) -> Vec<KeyBar> {
    let index = UserIndex::from_report(report);
    let mut bars = Vec::new();
    for line in report.user_lines() {
        for (ordinal, key) in line.user.keys_by_age() {
            if key.status.can_sign() {
                bars.push(key_bar(report, &index, line, (ordinal, key)));
            }
        }
    }
    bars.sort_by_key(|bar| Reverse((bar.state, bar.days)));
    bars
}

fn key_bar(
    report: &Report,
    index: &UserIndex<'_>,
    line: &UserLine,
    (ordinal, key): (usize, &AccessKey),
) -> KeyBar {
    let (state, rule) = bar_state(report, index, line, (ordinal, key));
    KeyBar {
        user: line.user.name.clone(),
        key: key_name(key),
        from: key.created_at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date(),
        days: age_days(report, key.created_at),
        limit_days: line.max_age.map(|max| max.as_hours() / 24),
        state,
        rule: rule.filter(|rule| *rule != "key-age"),
    }
}

/// The worst finding about a key. A key over its limit is never fine, also where no rule has looked at it: a report of
/// `keytide plan` has only the findings about rotations.
fn bar_state(
    report: &Report,
    index: &UserIndex<'_>,
    line: &UserLine,
    (ordinal, key): (usize, &AccessKey),
) -> (BarState, Option<&'static str>) {
    let mut worst = (best_state(report), None);
    let of_user = index.findings_of(&line.user.name).iter();
    let mut about: Vec<&Finding> = of_user.copied().filter(|finding| is_about(finding, ordinal)).collect();
    // Of equally bad findings the one about the key comes first, since the bar names one rule alone
    about.sort_by_key(|finding| finding.key_ordinal.is_none());
    for finding in about {
        let state = finding_state(finding);
        if state > worst.0 {
            worst = (state, Some(finding.rule));
        }
    }
    let age = report.generated_at.duration_since(key.created_at);
    if worst.0 <= BarState::NotAudited && line.max_age.is_some_and(|max| age > max) {
        return (BarState::Failed, Some("key-age"));
    }
    if worst.0 < BarState::Unknown && index.has_fault(&line.user.name) {
        return (BarState::Unknown, worst.1);
    }
    worst
}

/// A user with the worst that is known of it.
pub struct UserStanding<'a> {
    pub line: &'a UserLine,
    pub state: BarState,
    /// The day on which the next key becomes due, in words.
    pub due: String,
}

/// Returns the users, the worst first, of them those with an urgent finding, and among equals the oldest key.
pub fn users_worst_first(report: &Report) -> Vec<UserStanding<'_>> {
    let index = UserIndex::from_report(report);
    let mut users = Vec::new();
    for line in report.user_lines() {
        let state = user_state(report, &index, line);
        users.push(UserStanding { line, state, due: due_day(&index, line) });
    }
    users.sort_by_key(|user| {
        let about = index.findings_of(&user.line.user.name);
        let urgency = about.iter().map(|finding| rank_urgency(finding.rule)).min();
        (
            Reverse(user.state),
            urgency.unwrap_or(usize::MAX),
            Reverse(oldest_active_days(report, &user.line.user)),
        )
    });
    users
}

/// The worst that is known of a user: of its active keys, and of the findings about the user.
fn user_state(report: &Report, index: &UserIndex<'_>, line: &UserLine) -> BarState {
    let mut worst = if index.has_fault(&line.user.name) { BarState::Unknown } else { best_state(report) };
    for (ordinal, key) in line.user.keys_by_age() {
        if key.status.can_sign() {
            worst = worst.max(bar_state(report, index, line, (ordinal, key)).0);
        }
    }
    for finding in index.findings_of(&line.user.name) {
        worst = worst.max(finding_state(finding));
    }
    worst
}

/// The state of a key without a finding: good only if the rules of an audit have looked at it.
fn best_state(report: &Report) -> BarState {
    if report.rotations.is_some() { BarState::NotAudited } else { BarState::Fine }
}

fn finding_state(finding: &Finding) -> BarState {
    match (&finding.exempted, finding.severity) {
        (Some(_), _) => BarState::Exempted,
        (None, Severity::Error) => BarState::Failed,
        (None, _) => BarState::Warned,
    }
}

/// Whether a finding of a user is about this key: by its number, or because it is about the user, for example a quarantine.
fn is_about(finding: &Finding, ordinal: usize) -> bool {
    !NOT_ABOUT_KEYS.contains(&finding.rule) && finding.key_ordinal.is_none_or(|number| number == ordinal)
}
