//! Every lag and wait of the rotation protocol, with the reason for its length, and the years that a time may be in.
//!
//! `rotation::decide` waits for these, `engine` claims users for them, and `rules` and `system` judge clocks and silent
//! runs by them. The waits that a policy file sets (`grace`, `quiet`, `soak`) are in `RotationParams`.

use jiff::{SignedDuration, Timestamp};

/// Whether a time is between the years 2000 and 2200. Other times are forged or broken, and sums with a time near the end
/// of the calendar overflow.
pub fn is_plausible(at: Timestamp) -> bool {
    /// 1 January 2000 and 2200.
    const YEARS: std::ops::Range<i64> = 946_684_800..7_258_118_400;
    YEARS.contains(&at.as_second())
}

/// How far the clocks of two servers may differ.
///
/// Where AWS and GitHub differ by more, keytide appends nothing to a journal and changes no key and no destination. It
/// accepts journal entries and creation dates that are out of order by up to this much.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How long after its announcement a request to change a key may still take effect.
///
/// AWS accepts a signed request for fifteen minutes, however long the network delayed it. [`MAX_CLOCK_SKEW`] comes on
/// top: the announcement carries the time of GitHub, the signature the time of AWS.
pub const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_mins(20);

/// How long a run holds a user.
///
/// Longer than a job takes for one user, plus [`REQUEST_LIFETIME`]. The claim of a run that died ends after this time; no lock is left behind.
pub const CLAIM_DURATION: SignedDuration = SignedDuration::from_mins(30);

/// A run renews a claim that ends sooner than this before it does anything under that claim: one step, with all its
/// requests and retries, must end before the claim does.
pub const CLAIM_MARGIN: SignedDuration = SignedDuration::from_mins(15);

/// How late GetAccessKeyLastUsed may report a use.
///
/// AWS documents no bound; "within four hours" is what its console and its credential report state for their own data.
/// A key counts as unused since a time only if that time is longer ago than this.
pub const USAGE_REPORT_LAG: SignedDuration = SignedDuration::from_hours(4);

/// How long after keytide's own test of a new key, which calls STS, a use by STS may still be that test.
///
/// IAM rounds a last use down to fifteen minutes, so uses within that time cannot be distinguished.
pub const OWN_TEST_WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// How long a list of keys may still show a former status. IAM is eventually consistent; AWS documents no bound, and an
/// hour exceeds every delay that was published.
pub const LIST_LAG: SignedDuration = SignedDuration::from_hours(1);

/// How long the default branch may lag behind a merge that GitHub reports. A file that lacks the merged credential after
/// this time was reverted or changed.
pub const MERGE_LAG: SignedDuration = SignedDuration::from_hours(1);

/// How long a write to a store without compare-and-swap (a GitHub secret) may still be on its way.
///
/// The protocol's one assumption about GitHub: a request ends within ten minutes, applied or not.
pub const STORE_LAG: SignedDuration = SignedDuration::from_mins(10);

/// How much earlier than its announcement a run of a workflow may have been created: GitHub's servers give whole seconds,
/// and their clocks differ.
pub const DISPATCH_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// How much earlier than the end of a deployment a run of `validate` may begin and still count. GitHub starts the
/// workflows that wait for the end of another one (`workflow_run`) in the same seconds in which it notes that end.
pub const RUN_END_LAG: SignedDuration = SignedDuration::from_mins(1);

/// A run that only waits writes to the journal after this time without an entry, so that a silent journal shows that no
/// runs take place.
pub const HEARTBEAT_INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// A rotation whose journal has no entry for this long has no runs: three heartbeats are missing.
pub const MAX_RUN_GAP: SignedDuration = SignedDuration::from_hours(3 * 24);

/// How long a pull request may be open, or a key in use that should be quiet, before an audit reports an error.
pub const MAX_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a key may wait for its deletion before an audit reports an error. Longer than [`MAX_WAIT`]: many
/// repositories delete in one weekly run that needs an approval.
pub const MAX_DELETION_WAIT: SignedDuration = SignedDuration::from_hours(14 * 24);
