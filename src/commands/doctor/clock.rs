//! Checks that the clocks of this machine, GitHub and AWS agree.

use super::check::Check;
use crate::rotation::timing::MAX_CLOCK_SKEW;
use crate::sentences::count_noun;

/// A difference of so many seconds is worth a warning: AWS refuses a request at five minutes.
const NOTABLE_SKEW: u64 = 60;

/// How many seconds each server is ahead of this machine, as far as its replies said.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockFacts {
    pub github: Option<i64>,
    pub aws: Option<i64>,
    /// `--now` gives the time.
    pub is_given: bool,
}

pub fn decide_clock(facts: ClockFacts) -> Check {
    const NAME: &str = "clock";
    if facts.is_given {
        return Check::skip(NAME, "`--now` gives the time", "");
    }
    if let (Some(github), Some(aws)) = (facts.github, facts.aws)
        && github.abs_diff(aws) > MAX_CLOCK_SKEW.as_secs().unsigned_abs()
    {
        let seen = format!("the clocks of GitHub and AWS differ by {} seconds", github.abs_diff(aws));
        return Check::fail(
            NAME,
            seen,
            "check the proxies and the endpoints; keytide writes nothing meanwhile",
        );
    }
    let Some((server, ahead)) =
        facts.github.map(|ahead| ("GitHub", ahead)).or(facts.aws.map(|ahead| ("AWS", ahead)))
    else {
        return Check::unknown(NAME, "no server's time is known");
    };
    if ahead.unsigned_abs() > NOTABLE_SKEW {
        let direction = if ahead > 0 { "behind" } else { "ahead of" };
        let seen = format!("this machine's clock is {} {direction} {server}'s", describe_skew(ahead));
        return Check::warn(
            NAME,
            seen,
            "set the clock, for example by NTP; keytide follows the servers' time",
        );
    }
    let others = if facts.github.is_some() && facts.aws.is_some() { "GitHub's and AWS's" } else { server };
    Check::ok(NAME, format!("agrees with {others} time within {}", describe_skew(ahead.abs().max(1))))
}

/// The seconds of a difference, or of a large one the minutes, hours or days.
fn describe_skew(seconds: i64) -> String {
    match i64::try_from(seconds.unsigned_abs()).unwrap_or(i64::MAX) {
        seconds if seconds < 120 => count_noun(seconds, "second"),
        seconds if seconds < 2 * 3600 => count_noun(seconds / 60, "minute"),
        seconds if seconds < 48 * 3600 => count_noun(seconds / 3600, "hour"),
        seconds => count_noun(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::CheckStatus::{Fail, Ok as Good, Skip, Warn};

    #[test]
    fn clocks_are_compared() {
        let facts = |github, aws| ClockFacts { github, aws, is_given: false };
        assert_eq!(decide_clock(facts(Some(1), Some(-1))).status, Good);
        assert_eq!(decide_clock(facts(Some(90), None)).status, Warn);
        assert!(decide_clock(facts(None, Some(-90))).seen.contains("90 seconds ahead of AWS's"));
        assert!(decide_clock(facts(Some(-22_085_650), None)).seen.contains("is 255 days ahead of GitHub's"));
        assert_eq!(decide_clock(facts(Some(301), Some(0))).status, Fail);
        assert!(decide_clock(facts(None, None)).is_incomplete);
        assert_eq!(decide_clock(ClockFacts { is_given: true, ..ClockFacts::default() }).status, Skip);
    }
}
