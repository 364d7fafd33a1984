//! The operating system: files, Git, the environment, the clock, signals. The commands read through these modules and
//! pass the results to the pure ones.
#![expect(
    clippy::disallowed_methods,
    reason = "the ban keeps I/O out of the other modules; this is the one that does it"
)]

#[cfg(feature = "online")]
pub mod server_time;

pub mod clock;
pub mod environment;
pub mod files;
pub mod git;
mod git_folder;
pub mod git_objects;
mod git_paths;
mod git_process;
pub mod listing;
pub mod loopback;
pub mod prepared_file;
pub mod scan_files;
mod threads;
mod walk;
pub mod worktree;

#[cfg(feature = "online")]
pub mod process_hardening;
#[cfg(feature = "online")]
pub mod shutdown;
