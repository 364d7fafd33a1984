//! Compares an age with its limit, for the rules about the age of a credential.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::Severity;
use super::input::{RuleInput, format_elapsed, format_elapsed_over};
use crate::dates::format_day;
use crate::policy::PolicyDuration;

/// The age that is allowed, and how long before it a warning comes.
#[derive(Debug, Clone, Copy)]
pub struct AgeLimit {
    pub max: PolicyDuration,
    pub warn_before: Option<PolicyDuration>,
}

/// An age above its limit, or close to it. In a sentence: `... is AGE old; LIMIT`.
pub struct AgeProblem {
    pub severity: Severity,
    pub age: String,
    pub limit: String,
}

impl AgeLimit {
    /// What is wrong with an age; a limit is exceeded only by more than it.
    pub fn find_problem(self, input: &RuleInput<'_>, age: SignedDuration) -> Option<AgeProblem> {
        let max = self.max;
        if age > max.0 {
            return Some(AgeProblem {
                severity: Severity::Error,
                age: format_elapsed_over(age, max.0),
                limit: format!("the limit is {max}"),
            });
        }
        let warn_from = max.0.saturating_sub(self.warn_before?.0);
        if age < warn_from {
            return None;
        }
        let left = describe_time_left(input, max.0.saturating_sub(age));
        // `90 days` as an adjective: `90-day`.
        let limit = max.to_string().trim_end_matches('s').replace(' ', "-");
        Some(AgeProblem {
            severity: Severity::Warning,
            age: format_elapsed(age),
            limit: format!("it reaches the {limit} limit {left}"),
        })
    }
}

/// `in 9 days (7 Dec 2026)`, or `now`.
fn describe_time_left(input: &RuleInput<'_>, left: SignedDuration) -> String {
    if left.as_mins() == 0 {
        return "now".to_owned();
    }
    let (now, end) =
        (input.now.to_zoned_datetime(TimeZone::UTC), (input.now + left).to_zoned_datetime(TimeZone::UTC));
    // By the calendar, as a reader counts who sees both dates
    let days = now.date().duration_until(end.date());
    let shown = if left.as_hours() < 48 { left } else { days };
    format!("in {} ({})", format_elapsed(shown), format_day(input.now + left))
}
