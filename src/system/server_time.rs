//! The time of AWS and GitHub, from the `Date` headers of their replies. A rotation uses it for every decision: the
//! clock of this machine may be wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::ports::{BackendError, BackendResult, ErrorKind};

use crate::rotation::timing::{MAX_CLOCK_SKEW, is_plausible};

/// No reply had a `Date` header yet.
const UNKNOWN_OFFSET: i64 = i64::MIN;

/// The server whose time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    Aws,
    Github,
}

/// The time of the servers. Between their replies it advances with the monotonic clock, which is never set.
#[derive(Debug)]
pub struct ServerTime {
    begun: Timestamp,
    counter: Instant,
    /// The time at the start, if a test gives it.
    given: Option<Timestamp>,
    /// How many seconds each server is ahead of this machine.
    aws: AtomicI64,
    github: AtomicI64,
}

impl ServerTime {
    /// `given` replaces the time of the servers; it advances from now on.
    pub fn new(given: Option<Timestamp>) -> Self {
        Self {
            begun: Timestamp::now(),
            counter: Instant::now(),
            given,
            aws: AtomicI64::new(UNKNOWN_OFFSET),
            github: AtomicI64::new(UNKNOWN_OFFSET),
        }
    }

    /// Records the `Date` header of a reply. An invalid or implausible date is ignored.
    pub fn record_date(&self, peer: TimeSource, date: &str) {
        let Ok(date) = jiff::fmt::rfc2822::parse(date) else { return };
        // A forged or broken date would make waits end at once, or never
        if !is_plausible(date.timestamp()) {
            return;
        }
        // The offset is stored and not the time, so that the monotonic clock carries it on between replies
        let ahead = date.timestamp().duration_since(self.local_time()).as_secs();
        self.offset_of(peer).store(ahead, Ordering::Relaxed);
    }

    /// Returns the time of GitHub, which stores the journal, or of AWS while GitHub's is not known, in whole seconds.
    pub fn current_time(&self) -> Timestamp {
        let now = match self.given {
            Some(given) => given + self.time_since_start(),
            None => {
                // GitHub first: the times in the journal are compared with each other, and merges have its time
                let ahead = [TimeSource::Github, TimeSource::Aws]
                    .into_iter()
                    .find_map(|peer| self.known_offset(peer));
                self.local_time() + SignedDuration::from_secs(ahead.unwrap_or_default())
            }
        };
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Checks that the clocks of both servers agree, which the protocol relies on when it compares their times.
    ///
    /// # Errors
    /// They differ by more than the limit.
    pub fn ensure_clocks_agree(&self) -> BackendResult<()> {
        let (Some(aws), Some(github), None) =
            (self.known_offset(TimeSource::Aws), self.known_offset(TimeSource::Github), self.given)
        else {
            return Ok(());
        };
        if aws.abs_diff(github) <= MAX_CLOCK_SKEW.as_secs().unsigned_abs() {
            return Ok(());
        }
        let what = format!("the clocks of AWS and GitHub differ by {} seconds", aws.abs_diff(github));
        Err(BackendError::new(ErrorKind::NotApplied, what))
    }

    /// How many seconds a server is ahead of this machine's clock; `None` while it is not known, or if the time is given.
    pub fn seconds_ahead(&self, peer: TimeSource) -> Option<i64> {
        if self.given.is_some() { None } else { self.known_offset(peer) }
    }

    fn known_offset(&self, peer: TimeSource) -> Option<i64> {
        Some(self.offset_of(peer).load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN_OFFSET)
    }

    fn offset_of(&self, peer: TimeSource) -> &AtomicI64 {
        match peer {
            TimeSource::Aws => &self.aws,
            TimeSource::Github => &self.github,
        }
    }

    fn local_time(&self) -> Timestamp {
        self.begun + self.time_since_start()
    }

    fn time_since_start(&self) -> SignedDuration {
        SignedDuration::try_from(self.counter.elapsed()).unwrap_or(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(time: Timestamp) -> String {
        time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    #[test]
    fn the_time_of_github_is_used_before_that_of_aws() {
        let time = ServerTime::new(None);
        let later = Timestamp::now() + SignedDuration::from_hours(48);
        time.record_date(TimeSource::Aws, &date(later));
        for wrong in ["yesterday", "Thu, 30 Dec 9999 21:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"] {
            time.record_date(TimeSource::Github, wrong);
        }
        assert!(time.current_time().duration_since(later).abs() <= SignedDuration::from_secs(2));
        assert_eq!(time.ensure_clocks_agree(), Ok(()));
        time.record_date(TimeSource::Github, &date(later + SignedDuration::from_mins(4)));
        assert!(time.current_time() > later + SignedDuration::from_mins(3));
        assert_eq!(time.ensure_clocks_agree(), Ok(()));
        time.record_date(TimeSource::Github, &date(later - SignedDuration::from_mins(6)));
        assert!(time.ensure_clocks_agree().is_err());
    }

    #[test]
    fn a_given_time_beats_every_server() {
        let given: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let time = ServerTime::new(Some(given));
        time.record_date(TimeSource::Github, "Mon, 01 Jan 2001 00:00:00 GMT");
        time.record_date(TimeSource::Aws, "Mon, 01 Jan 2035 00:00:00 GMT");
        assert!(time.current_time().duration_since(given) < SignedDuration::from_secs(5));
        assert_eq!(time.ensure_clocks_agree(), Ok(()));
    }
}
