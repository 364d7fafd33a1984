//! Reads a time of a reply.

use jiff::Timestamp;
use serde_json::Value;

use super::api::{text_at, unexpected_reply};
use crate::ports::BackendResult;
use crate::rotation::timing::is_plausible;

/// A time in a reply.
///
/// # Errors
/// It is missing, or so far away that a wait after it would leave the calendar.
pub fn time_at(value: &Value, pointer: &str) -> BackendResult<Timestamp> {
    let time = text_at(value, pointer)?.parse().ok().filter(|at| is_plausible(*at));
    time.ok_or_else(|| unexpected_reply(&format!("date `{pointer}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_after_which_no_wait_ends_is_none() {
        let reply =
            json!({"at": "2026-11-28T12:00:00Z", "far": "9999-12-30T22:00:00Z", "no": "x", "null": null});
        assert!(time_at(&reply, "/at").is_ok());
        for pointer in ["/far", "/no", "/null", "/absent"] {
            assert!(time_at(&reply, pointer).is_err(), "{pointer}");
        }
    }
}
