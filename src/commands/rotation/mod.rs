//! `keytide plan`, `rotate`, `rollback` and `resume`: observe each user, decide, perform the next step, report.

mod commands;
mod committed_policy;
mod context;
mod guard;
mod history;
mod next_step;
mod on_call;
mod report;
mod run_users;
mod setup;
mod status;

pub use commands::{plan, resume, rollback, rotate};
pub use committed_policy::{read_committed_policy, read_committed_text, read_local_text, repository_path};
pub use guard::ensure_may_write;
pub use on_call::{RepositoryPages, find_run};
pub use setup::{connect_github, rotated_users};
pub use status::{StatusError, read_rotation_statuses};
