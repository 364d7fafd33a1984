//! The servers' time, from the `Date` of their replies: what this machine thinks the time is decides nothing.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::journal::is_plausible;
use crate::rotation::timing::MAX_CLOCK_SKEW;

/// No reply has told the time yet.
const UNTOLD: i64 = i64::MIN;

/// Who tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    Aws,
    Github,
}

/// Time as the servers tell it; between their replies it is counted by a clock that nobody sets.
#[derive(Debug)]
pub struct ServerTime {
    begun: Timestamp,
    counter: Instant,
    /// The time at the start, where a test says it.
    given: Option<Timestamp>,
    /// How many seconds each peer is ahead of this machine.
    aws: AtomicI64,
    github: AtomicI64,
}

impl ServerTime {
    /// `given` takes the place of every server's time, and counts up from now.
    pub fn new(given: Option<Timestamp>) -> Self {
        Self {
            begun: Timestamp::now(),
            counter: Instant::now(),
            given,
            aws: AtomicI64::new(UNTOLD),
            github: AtomicI64::new(UNTOLD),
        }
    }

    /// Takes in the `Date` of a reply; what is no date, or cannot be one, is passed over.
    pub fn record_date(&self, peer: TimeSource, date: &str) {
        let Ok(date) = jiff::fmt::rfc2822::parse(date) else { return };
        if !is_plausible(date.timestamp()) {
            return;
        }
        let ahead = date.timestamp().duration_since(self.local_time()).as_secs();
        self.offset_of(peer).store(ahead, Ordering::Relaxed);
    }

    /// The journal's server's time; AWS's while the other is not known. In whole seconds, as the servers tell it.
    pub fn current_time(&self) -> Timestamp {
        let now = match self.given {
            Some(given) => given + self.time_since_start(),
            None => {
                let ahead =
                    [TimeSource::Github, TimeSource::Aws].into_iter().find_map(|peer| self.told_by(peer));
                self.local_time() + SignedDuration::from_secs(ahead.unwrap_or_default())
            }
        };
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// # Errors
    /// The servers' clocks differ so much that what one says of time means nothing to the other.
    pub fn ensure_clocks_agree(&self) -> BackendResult<()> {
        let (Some(aws), Some(github), None) =
            (self.told_by(TimeSource::Aws), self.told_by(TimeSource::Github), self.given)
        else {
            return Ok(());
        };
        if aws.abs_diff(github) <= MAX_CLOCK_SKEW.as_secs().unsigned_abs() {
            return Ok(());
        }
        let what = format!("the clocks of AWS and GitHub differ by {} seconds", aws.abs_diff(github));
        Err(BackendError::new(ErrorKind::NotApplied, what))
    }

    fn told_by(&self, peer: TimeSource) -> Option<i64> {
        Some(self.offset_of(peer).load(Ordering::Relaxed)).filter(|ahead| *ahead != UNTOLD)
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
    fn the_journals_server_tells_the_time() {
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
