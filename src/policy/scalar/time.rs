//! The lengths of time and the days of a policy file.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::Date as CivilDate;

use super::format::{Scalar, ScalarError, scalar};
use crate::sentences::describe_wait;

/// A length of time: a whole number and a unit, `12h`, `90d` or `6w`. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyDuration(pub SignedDuration);
scalar!(PolicyDuration, "Duration");

impl PolicyDuration {
    pub const fn from_days(days: i64) -> Self {
        Self(SignedDuration::from_hours(days * 24))
    }
}

impl Scalar for PolicyDuration {
    const FORMAT: &'static str = "keytide-duration";
    const PATTERN: &'static str = "^[0-9]{1,5}[hdw]$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let unit = text.chars().last().ok_or_else(malformed_duration)?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            _ => return Err(malformed_duration()),
        };
        let number = &text[..text.len() - 1];
        // `parse` alone would accept a sign.
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed_duration());
        }
        // Five digits of weeks are far below the limits of the arithmetic with timestamps.
        if number.len() > 5 {
            return Err(ScalarError::invalid("duration", "use at most five digits"));
        }
        let number: i64 = number.parse().map_err(|_| malformed_duration())?;
        Ok(Self(SignedDuration::from_hours(number * hours)))
    }
}

fn malformed_duration() -> ScalarError {
    ScalarError::invalid("duration", "write a number and a unit: `12h`, `90d` or `6w`")
}

impl fmt::Display for PolicyDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe_wait(self.0))
    }
}

/// A [`PolicyDuration`] of at least a day: AWS reports a last use with a delay, so a shorter wait proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LongDuration(pub PolicyDuration);
scalar!(LongDuration, "LongDuration");

impl Scalar for LongDuration {
    const FORMAT: &'static str = "keytide-long-duration";
    const PATTERN: &'static str = PolicyDuration::PATTERN;

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let duration = PolicyDuration::parse(text)?;
        if duration < PolicyDuration::from_days(1) {
            let reason = "AWS can report the last use of a key hours late";
            return Err(ScalarError::TooShort { minimum: "24h", reason });
        }
        Ok(Self(duration))
    }
}

/// A calendar day, `YYYY-MM-DD`; it begins at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarDate(pub CivilDate);
scalar!(CalendarDate, "Date");

impl Scalar for CalendarDate {
    const FORMAT: &'static str = "keytide-date";
    const PATTERN: &'static str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let mut bytes = text.bytes().enumerate();
        let is_shaped = text.len() == 10
            && bytes.all(|(index, b)| if index == 4 || index == 7 { b == b'-' } else { b.is_ascii_digit() });
        if !is_shaped {
            return Err(ScalarError::invalid("date", "write dates as YYYY-MM-DD"));
        }
        let date = text.parse().map_err(|_| ScalarError::invalid("date", "the calendar has no such day"))?;
        Ok(Self(date))
    }
}
