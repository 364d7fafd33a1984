//! Ages, names and last uses of keys, in the words that all formats share.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::model::{Report, UserLine};
use super::user_index::UserIndex;
use crate::dates::format_sortable_day;
use crate::iam::{AccessKey, IamUser};
use crate::rules::{Finding, Severity};
use crate::sentences::count_noun;

/// Returns the age of a credential in whole days; one from the future has 0.
pub fn age_days(report: &Report, created_at: Timestamp) -> i64 {
    report.generated_at.duration_since(created_at).as_hours().max(0) / 24
}

/// Returns the age in days of a user's oldest active key.
pub fn oldest_active_days(report: &Report, user: &IamUser) -> Option<i64> {
    user.keys.iter().filter(|key| key.status.can_sign()).map(|key| age_days(report, key.created_at)).max()
}

/// The ages of keys in days, by user and number.
pub struct KeyAges<'a>(BTreeMap<(&'a str, usize), i64>);

impl<'a> KeyAges<'a> {
    pub fn of_report(report: &'a Report) -> Self {
        let mut ages = BTreeMap::new();
        for line in report.user_lines() {
            for (ordinal, key) in line.user.keys_by_age() {
                ages.insert((line.user.name.as_str(), ordinal), age_days(report, key.created_at));
            }
        }
        Self(ages)
    }

    /// Sorts findings by the ages of their keys; among equals the order stays.
    pub fn sort_oldest_first(&self, findings: &mut [&Finding]) {
        findings.sort_by_key(|finding| Reverse(self.age_of(finding)));
    }

    fn age_of(&self, finding: &Finding) -> Option<i64> {
        self.0.get(&(finding.user.as_deref()?, finding.key_ordinal?)).copied()
    }
}

/// Returns the access key ID, or the number of the key in the credential report.
pub fn key_name(key: &AccessKey) -> String {
    match (&key.id, key.slot) {
        (Some(id), _) => id.clone(),
        (None, Some(slot)) => format!("key {slot}"),
        (None, None) => "?".to_owned(),
    }
}

/// Describes the last use of a key: `3 days ago (s3, eu-west-1)`.
pub fn last_used(report: &Report, key: &AccessKey) -> String {
    let Some(used) = key.last_used.known_value() else { return "unknown".to_owned() };
    let Some(used) = used else { return "never".to_owned() };
    let days = report.generated_at.duration_since(used.at).as_hours().max(0) / 24;
    let at = if days == 0 { "today".to_owned() } else { format!("{} ago", count_noun(days, "day")) };
    let place: Vec<&str> = [&used.service, &used.region].into_iter().flatten().map(String::as_str).collect();
    if place.is_empty() { at } else { format!("{at} ({})", place.join(", ")) }
}

/// Returns how many days ago a key was last used, if it was and that is known.
pub fn last_used_days(report: &Report, key: &AccessKey) -> Option<i64> {
    let used = key.last_used.known_value()?.as_ref()?;
    Some(report.generated_at.duration_since(used.at).as_hours().max(0) / 24)
}

/// Describes when a user's next key becomes due: a day, or that one is overdue already.
pub fn due_day(index: &UserIndex<'_>, line: &UserLine) -> String {
    match line.next_due {
        _ if is_overdue(index, line) => "overdue".to_owned(),
        _ if line.is_due_now() => "now".to_owned(),
        Some(due) => format_sortable_day(due),
        None => String::new(),
    }
}

/// Whether one of the user's keys is over its limit, and no exemption accepts that.
pub fn is_overdue(index: &UserIndex<'_>, line: &UserLine) -> bool {
    index.findings_of(&line.user.name).iter().any(|finding| {
        finding.exempted.is_none() && finding.rule == "key-age" && finding.severity == Severity::Error
    })
}
