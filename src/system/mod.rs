//! The only way out: AWS, GitHub, the clock, the environment, files. Everything else is told what these learnt.
#![expect(clippy::disallowed_methods, reason = "this is the border that the ban draws")]

#[cfg(feature = "online")]
pub mod server_time;

pub mod clock;
pub mod environment;
pub mod files;
pub mod git;
pub mod scan_files;
pub mod worktree;

#[cfg(feature = "online")]
pub mod process_hardening;
#[cfg(feature = "online")]
pub mod shutdown;
