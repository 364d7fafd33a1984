//! Protects the memory of this process, which holds secret access keys during a rotation, and that of the machine.

use std::process::Child;

/// The most memory of its own that a process of keytide may have: for a few folders that name one another Git takes all there
/// is.
#[cfg(target_os = "linux")]
const MAX_CHILD_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Turns off core dumps, and keeps other processes of the same user from reading the memory.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub fn keep_private() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The limit of zero does not apply to a core that the system pipes to a program.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// # Errors
/// None here.
#[cfg(not(unix))]
pub fn keep_private() -> std::io::Result<()> {
    Ok(())
}

/// Limits the memory of a process that keytide started. One that needs more fails.
#[cfg(target_os = "linux")]
pub fn limit_memory(child: &Child) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(MAX_CHILD_BYTES), maximum: Some(MAX_CHILD_BYTES) };
    // Where the system refuses, the process runs without the limit, as on other systems
    let _ = prlimit(Some(Pid::from_child(child)), Resource::Data, limit);
}

#[cfg(not(target_os = "linux"))]
pub fn limit_memory(_: &Child) {}
