//! The time.

use jiff::Timestamp;

/// Now, in whole seconds: AWS's own dates have no more.
pub fn system_time() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}
