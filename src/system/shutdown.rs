//! Being asked to end: SIGINT and SIGTERM, which the first process of a container ignores unless it listens.

/// Listens from its making on.
pub struct ShutdownSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl ShutdownSignals {
    /// # Errors
    /// The system does not let this process listen.
    #[cfg(unix)]
    pub fn start_listening() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until this process is asked to end.
    #[cfg(unix)]
    pub async fn wait_for_signal(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub fn start_listening() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until this process is asked to end.
    #[cfg(not(unix))]
    pub async fn wait_for_signal(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
