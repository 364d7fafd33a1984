//! Waits for SIGINT and SIGTERM, so that a rotation stops between two steps. As the first process of a container,
//! keytide would otherwise not receive them.

/// Listens for the signals from its creation on.
pub struct ShutdownSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl ShutdownSignals {
    /// # Errors
    /// The system's.
    #[cfg(unix)]
    pub fn start_listening() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for a signal.
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

    /// Waits for a signal.
    #[cfg(not(unix))]
    pub async fn wait_for_signal(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
