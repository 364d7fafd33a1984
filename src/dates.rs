//! Writes days and moments, all of them in UTC and in the same form everywhere, but in columns that are sorted.

use jiff::Timestamp;

/// A day: `7 Dec 2026`.
pub fn format_day(at: Timestamp) -> String {
    at.strftime("%-d %b %Y").to_string()
}

/// A moment: `7 Dec 2026, 16:00 UTC`.
pub fn format_moment(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// A day in a column, which can be sorted by it: `2026-12-07`, as a policy file writes it.
pub fn format_sortable_day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() -> Result<(), jiff::Error> {
        let late: Timestamp = "2026-12-07T23:30:59-01:00".parse()?;
        let written = [format_day(late), format_moment(late), format_sortable_day(late)];
        assert_eq!(written, ["8 Dec 2026", "8 Dec 2026, 00:30 UTC", "2026-12-08"]);
        Ok(())
    }
}
