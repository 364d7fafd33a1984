//! `keytide plan`, `rotate`, `rollback` and `resume`: observe each user, decide, perform the next step, report.

#[cfg(feature = "online")]
mod commands;
#[cfg(feature = "online")]
mod committed_policy;
#[cfg(feature = "online")]
mod context;
#[cfg(feature = "online")]
mod guard;
#[cfg(feature = "online")]
mod history;
#[cfg(not(feature = "online"))]
mod offline;
#[cfg(feature = "online")]
mod on_call;
#[cfg(feature = "online")]
mod report;
#[cfg(feature = "online")]
mod run_users;
#[cfg(feature = "online")]
mod setup;
#[cfg(feature = "online")]
mod status;

#[cfg(feature = "online")]
pub use commands::{plan, resume, rollback, rotate};
#[cfg(feature = "online")]
pub use committed_policy::{read_committed_policy, repository_path};
#[cfg(feature = "online")]
pub use guard::ensure_may_write;
#[cfg(feature = "online")]
pub use setup::{connect_github, rotated_users};
#[cfg(feature = "online")]
pub use status::{StatusError, read_rotation_statuses};

#[cfg(not(feature = "online"))]
pub use offline::{plan, resume, rollback, rotate};
