//! Decides how often, and for how long, a request without a usable reply is sent again.

use std::time::Duration;

/// The pauses before a request that may be repeated is sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];
/// How long lost replies to one request are waited for. A server that sends a byte now and then would otherwise take the
/// time limit of a request for each attempt.
const REPEAT_WITHIN: Duration = Duration::from_secs(25);

/// The attempts of one request that brought no usable reply.
#[derive(Debug, Default)]
pub struct LostReplies {
    count: usize,
    waited: Duration,
}

impl LostReplies {
    /// Counts one more attempt, which took so long. Returns the pause before the next one, if there is to be one.
    pub fn next_pause(&mut self, took: Duration) -> Option<Duration> {
        self.waited += took;
        self.count += 1;
        PAUSES.get(self.count - 1).copied().filter(|_| self.waited <= REPEAT_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts there are, and the time that they and their pauses take.
    fn attempts(took: Duration) -> (usize, u64) {
        let mut lost = LostReplies::default();
        let (mut count, mut time) = (1, took);
        while let Some(pause) = lost.next_pause(took) {
            count += 1;
            time += pause + took;
        }
        (count, time.as_secs())
    }

    #[test]
    fn a_slow_server_is_asked_less_often_than_a_quick_one() {
        let seconds = Duration::from_secs;
        assert_eq!(attempts(seconds(0)), (4, 4));
        assert_eq!(attempts(seconds(8)), (4, 36));
        assert_eq!(attempts(seconds(20)), (2, 40));
    }
}
