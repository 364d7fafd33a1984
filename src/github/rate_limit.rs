//! Reads GitHub's rate limit from the headers of a reply: whether it is reached, and for how long. The numbers may be any.
//! Spaces the requests that change something, so that a run for many users does not reach the secondary limit.

use std::time::Duration;

/// The wait in seconds if GitHub names no time (GitHub, "Rate limits for the REST API").
const UNNAMED: u64 = 60;

/// The pause between two changes once there are many (GitHub, "Best practices for using the REST API").
const CHANGE_INTERVAL: Duration = Duration::from_secs(1);
/// So many changes need no pause: the steps of a few users. With those of a minute they stay below 80, the secondary limit.
const CHANGES_WITHOUT_PAUSE: u32 = 18;

/// How long each change has to wait.
#[derive(Debug, Default)]
pub struct ChangePace {
    /// When the next change would be sent if all of them had been one interval apart.
    next: Duration,
}

impl ChangePace {
    /// Counts one more change, and returns how long it has to wait. `now` is counted from any fixed time.
    pub fn wait_before_change(&mut self, now: Duration) -> Duration {
        let wait = self.next.saturating_sub(now + CHANGE_INTERVAL * CHANGES_WITHOUT_PAUSE);
        self.next = self.next.max(now) + CHANGE_INTERVAL;
        wait
    }
}

/// The rate limit, by the headers of a reply.
pub struct RateLimit {
    pub retry_after: Option<u64>,
    pub is_spent: bool,
    /// Seconds since 1970.
    pub reset: Option<i64>,
}

impl RateLimit {
    /// Whether a refusal is one of the rate limit, and not of a permission.
    pub fn is_exceeded(&self, status: u16, body: &str) -> bool {
        status == 429
            || self.retry_after.is_some()
            || self.is_spent
            || body.contains("secondary rate limit")
            || body.contains("abuse detection")
    }

    pub fn wait_time(&self, now: i64) -> Duration {
        let seconds = match (self.retry_after, self.reset) {
            (Some(seconds), _) => seconds,
            // One second more: the reset is a whole second, and this clock may be ahead of GitHub's.
            // A reset long ago names no time: it would mean a request each second
            (None, Some(reset)) if self.is_spent && now.saturating_sub(reset) < 60 => {
                reset.saturating_sub(now).max(0).unsigned_abs().saturating_add(1)
            }
            _ => UNNAMED,
        };
        Duration::from_secs(seconds)
    }
}

/// A `Retry-After` that is no number of seconds names no time, but it still is one of a rate limit.
pub fn parse_retry_after(text: &str) -> u64 {
    text.trim().parse().unwrap_or(UNNAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_changes_do_not_wait_and_many_are_a_second_apart() {
        let mut pace = ChangePace::default();
        let mut now = Duration::from_secs(5);
        let mut sent = Vec::new();
        while now < Duration::from_secs(65) {
            now += pace.wait_before_change(now);
            sent.push(now);
        }
        assert!(sent.iter().take(18).all(|at| at.as_secs() == 5), "{sent:?}");
        assert!(sent[18..].windows(2).all(|pair| pair[1] - pair[0] == CHANGE_INTERVAL), "{sent:?}");
        assert!(sent.len() < 80, "GitHub permits 80 a minute: {}", sent.len());
        // After a pause there is room again, and not more than before.
        now += Duration::from_secs(3600);
        let waits: Vec<Duration> = (0..20).map(|_| pace.wait_before_change(now)).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 19, "{waits:?}");
    }

    #[test]
    fn a_rate_limit_differs_from_a_missing_permission() {
        let none = RateLimit { retry_after: None, is_spent: false, reset: Some(1_000) };
        assert!(!none.is_exceeded(403, "Resource not accessible by integration"));
        assert!(none.is_exceeded(403, "You have exceeded a secondary rate limit"));
        assert!(none.is_exceeded(429, ""));
        assert_eq!(none.wait_time(990).as_secs(), 60);
        let spent = RateLimit { retry_after: None, is_spent: true, reset: Some(1_000) };
        assert!(spent.is_exceeded(403, ""));
        assert_eq!(spent.wait_time(990).as_secs(), 11);
        let named = RateLimit { retry_after: Some(7), is_spent: true, reset: Some(1_000) };
        assert_eq!(named.wait_time(0).as_secs(), 7);
        assert_eq!(spent.wait_time(1_005).as_secs(), 1);
        assert_eq!(spent.wait_time(2_000).as_secs(), UNNAMED);
        let absurd = RateLimit { retry_after: None, is_spent: true, reset: Some(i64::MAX) };
        assert_eq!(absurd.wait_time(i64::MIN).as_secs(), i64::MAX.unsigned_abs() + 1);
        assert_eq!(parse_retry_after("18446744073709551615"), u64::MAX);
        assert_eq!(parse_retry_after("18446744073709551616"), UNNAMED);
    }
}
