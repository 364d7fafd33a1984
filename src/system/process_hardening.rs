//! The memory of this process, through which a secret access key passes.

/// Forbids cores, and that other processes of the same account read the memory.
///
/// # Errors
/// The system does not let this process forbid it.
#[cfg(unix)]
pub fn keep_private() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // A core that is piped to a program knows no limit.
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
