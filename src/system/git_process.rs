//! Runs a Git process under limits, for [`super::git`] and [`super::git_objects`]: a Git that prints without end, or
//! that waits without end, is stopped and reported.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[cfg(feature = "online")]
use super::process_hardening::limit_memory;

/// How long Git may print nothing while keytide waits for it: to walk a large history on a slow disk takes minutes.
pub const MAX_SILENCE: Duration = Duration::from_secs(300);
/// The most that is kept of what Git prints on standard error, and the most that is read of it.
const KEPT_STDERR_BYTES: u64 = 64 * 1024;
const MAX_STDERR_BYTES: u64 = 64 * 1024 * 1024;
/// How often the exit of a process is looked for, at the longest.
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// Why a process gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("cannot start it: {0}")]
    Start(io::Error),
    #[error("cannot read its output: {0}")]
    Read(io::Error),
    #[error("it printed nothing for {} s and was stopped", .0.as_secs())]
    Silent(Duration),
    #[error("it printed more than {limit} bytes and was stopped")]
    TooLarge { limit: usize },
}

/// What a process that ended has printed.
#[derive(Debug)]
pub struct ProcessOutput {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// The first part of it.
    pub stderr: Vec<u8>,
}

/// What the watching thread knows of the process.
#[derive(Debug, Default)]
struct WatchState {
    /// Whether keytide waits for the process.
    is_awaited: AtomicBool,
    /// Grows with each read.
    reads: AtomicU64,
    is_over: AtomicBool,
    was_stopped: AtomicBool,
}

/// A running process, which is killed when it is silent for too long and when this is dropped.
pub struct WatchedProcess {
    child: Arc<Mutex<Child>>,
    state: Arc<WatchState>,
    watcher: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    silence: Duration,
}

/// The standard output of a [`WatchedProcess`].
pub struct WatchedOutput {
    stdout: ChildStdout,
    state: Arc<WatchState>,
}

impl Read for WatchedOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.state.is_awaited.store(true, Ordering::Relaxed);
        let read = self.stdout.read(buffer);
        self.state.reads.fetch_add(1, Ordering::Relaxed);
        // Between two reads keytide works, and the process has nothing to do.
        self.state.is_awaited.store(false, Ordering::Relaxed);
        read
    }
}

impl WatchedProcess {
    /// Starts a process, with pipes for what it reads and prints.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        command: &mut Command,
        silence: Duration,
    ) -> Result<(Self, Option<ChildStdin>, WatchedOutput), ProcessError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(ProcessError::Start)?;
        #[cfg(feature = "online")]
        limit_memory(&child);
        let stdin = child.stdin.take();
        let stdout =
            child.stdout.take().ok_or_else(|| ProcessError::Start(io::ErrorKind::BrokenPipe.into()))?;
        // A thread of its own: a process stops when the pipe of its warnings is full.
        let stderr = child.stderr.take().map(|stderr| std::thread::spawn(move || read_stderr(stderr)));
        let (child, state) = (Arc::new(Mutex::new(child)), Arc::new(WatchState::default()));
        let (watched, watch) = (Arc::clone(&child), Arc::clone(&state));
        let watcher = std::thread::spawn(move || stop_when_silent(&watched, &watch, silence));
        let output = WatchedOutput { stdout, state: Arc::clone(&state) };
        Ok((Self { child, state, watcher: Some(watcher), stderr, silence }, stdin, output))
    }

    /// The error of a process that was stopped because it was silent.
    pub fn silence_error(&self) -> Option<ProcessError> {
        if self.state.was_stopped.load(Ordering::Relaxed) {
            Some(ProcessError::Silent(self.silence))
        } else {
            None
        }
    }

    /// Waits for the end of the process, at most this long; returns its status and what it printed on standard error.
    ///
    /// # Errors
    /// It did not end, and was stopped.
    pub fn wait(&mut self, limit: Duration) -> Result<(ExitStatus, Vec<u8>), ProcessError> {
        let start = Instant::now();
        // It may have closed its output and run on.
        self.state.is_awaited.store(true, Ordering::Relaxed);
        let mut pause = Duration::from_micros(100);
        let status = loop {
            // The lock is released between two looks, so that the watching thread can kill the process.
            let found = lock(&self.child).try_wait().map_err(ProcessError::Read)?;
            if let Some(status) = found {
                break status;
            }
            if start.elapsed() >= limit {
                kill(&self.child);
                return Err(ProcessError::Silent(limit));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(MAX_PAUSE);
        };
        if let Some(error) = self.silence_error() {
            return Err(error);
        }
        let printed = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok((status, printed))
    }
}

impl Drop for WatchedProcess {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // Git only reads here, so nothing is lost when it is killed; and one that hangs would never be waited for.
        kill(&self.child);
        let _ = lock(&self.child).wait();
        if let Some(watcher) = self.watcher.take() {
            watcher.thread().unpark();
            let _ = watcher.join();
        }
    }
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kill(child: &Mutex<Child>) {
    // An error means that it has ended.
    let _ = lock(child).kill();
}

fn read_stderr(mut stderr: impl Read) -> Vec<u8> {
    let mut printed = Vec::new();
    let _ = stderr.by_ref().take(KEPT_STDERR_BYTES).read_to_end(&mut printed);
    // Behind the limit the pipe is closed, which ends the process.
    let _ = io::copy(&mut stderr.take(MAX_STDERR_BYTES), &mut io::sink());
    printed
}

fn stop_when_silent(child: &Mutex<Child>, state: &WatchState, silence: Duration) {
    let (mut reads, mut since) = (0, Instant::now());
    while !state.is_over.load(Ordering::Relaxed) {
        std::thread::park_timeout((silence / 4).min(Duration::from_secs(5)));
        let now_read = state.reads.load(Ordering::Relaxed);
        if now_read != reads || !state.is_awaited.load(Ordering::Relaxed) {
            (reads, since) = (now_read, Instant::now());
        } else if since.elapsed() >= silence {
            state.was_stopped.store(true, Ordering::Relaxed);
            kill(child);
            return;
        }
    }
}

/// Runs a process with this standard input and returns what it prints, at most `limit` bytes.
///
/// # Errors
/// It cannot be started, prints more, or is silent for too long.
pub fn run_limited(
    command: &mut Command,
    input: &[u8],
    limit: usize,
    silence: Duration,
) -> Result<ProcessOutput, ProcessError> {
    let (mut process, stdin, output) = WatchedProcess::start(command, silence)?;
    let mut stdout = Vec::new();
    // Git answers while it reads: writing everything first would block both sides on full pipes.
    let read = std::thread::scope(|scope| {
        // When Git ends early, its exit code says why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let read = output.take(limit as u64 + 1).read_to_end(&mut stdout);
        if stdout.len() > limit {
            // Before the scope waits for the writing thread, which a process that only prints would block.
            kill(&process.child);
        }
        read
    });
    if stdout.len() > limit {
        return Err(ProcessError::TooLarge { limit });
    }
    if let Some(error) = process.silence_error() {
        return Err(error);
    }
    read.map_err(ProcessError::Read)?;
    let (status, stderr) = process.wait(silence)?;
    Ok(ProcessOutput { status, stdout, stderr })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_output_and_the_status_are_those_of_the_process() {
        let output =
            run_limited(&mut shell("cat; echo warning >&2; exit 3"), b"text", 100, MAX_SILENCE).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), b"text".as_slice()));
        assert_eq!(output.stderr, b"warning\n");
    }

    #[test]
    fn a_process_that_prints_without_end_is_stopped() {
        let input = vec![b'x'; 1024 * 1024];
        for input in [&[][..], &input] {
            let error = run_limited(&mut shell("exec yes"), input, 1024 * 1024, MAX_SILENCE).unwrap_err();
            assert!(matches!(error, ProcessError::TooLarge { limit: 1_048_576 }), "{error}");
        }
        let output = run_limited(&mut shell("exec yes >&2"), b"", 1024, MAX_SILENCE).unwrap();
        assert_eq!(output.stderr.len() as u64, KEPT_STDERR_BYTES);
    }

    #[test]
    fn a_process_that_prints_nothing_is_stopped() {
        for script in ["exec sleep 60", "echo x; exec sleep 60", "exec sleep 60 >&-"] {
            let error = run_limited(&mut shell(script), b"", 1024, SOON).unwrap_err();
            assert!(matches!(error, ProcessError::Silent(_)), "{script}: {error}");
        }
    }
}
