//! Protects the memory of this process, which holds secret access keys during a rotation.

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
