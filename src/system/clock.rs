//! The time of this machine, for audits and checks; rotations use the time of the servers.

use jiff::Timestamp;

/// Returns the current time in whole seconds, the precision of the dates of IAM.
pub fn system_time() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}
