//! The time.

use jiff::Timestamp;

/// Now, in whole seconds: AWS's own dates have no more.
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}
