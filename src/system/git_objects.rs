//! Reads the content of objects with one `git cat-file --batch`, for the index and the history.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ChildStdin;
use std::time::Duration;

use super::git::{GitError, GitProgram};
use super::git_process::{WatchedOutput, WatchedProcess};

/// The longest first line of an answer: it repeats the name.
const MAX_HEAD_BYTES: u64 = 64 * 1024;
/// How long Git may print nothing while it reads one object. It waits without end for the rest of one that is shorter than it
/// says.
const MAX_SILENCE: Duration = Duration::from_secs(60);
/// How long a process may take to end once its pipes are closed.
const MAX_END: Duration = Duration::from_secs(5);
/// The largest object that is read, window by window.
const MAX_OBJECT_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// A running `git cat-file --batch`, which returns the content of one object after the other.
pub struct ObjectReader {
    process: WatchedProcess,
    stdin: Option<ChildStdin>,
    stdout: BufReader<WatchedOutput>,
}

impl ObjectReader {
    /// Starts the process.
    ///
    /// # Errors
    /// Git cannot be started.
    pub fn spawn_reader(git: &GitProgram) -> Result<Self, GitError> {
        let (process, stdin, stdout) =
            WatchedProcess::start(git.command().args(["cat-file", "--batch"]), MAX_SILENCE)
                .map_err(|error| GitError::from_process("cat-file", error))?;
        Ok(Self { process, stdin, stdout: BufReader::with_capacity(256 * 1024, stdout) })
    }

    /// Passes the content of a blob and its length to `take`; returns `None` when there is no such blob.
    ///
    /// # Errors
    /// The process has ended, its answer has an unknown form, or `take` failed.
    pub fn read_object<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut dyn Read, u64) -> std::io::Result<T>,
    ) -> Result<Option<T>, GitError> {
        // The protocol of `--batch` is one name a line.
        if name.contains('\n') {
            return Err(GitError::unexpected("cat-file", name.as_bytes()));
        }
        let Some(head) = self.request_object(name)? else { return Err(self.explain_end()) };
        let head = String::from_utf8_lossy(&head);
        let head = head.trim_end_matches('\n');
        if head.strip_suffix(" missing") == Some(name) {
            return Ok(None);
        }
        let words: Vec<&str> = head.split(' ').collect();
        let [_, kind, length] = words[..] else {
            return Err(GitError::unexpected("cat-file", head.as_bytes()));
        };
        let length = length.parse().ok().filter(|length| *length <= MAX_OBJECT_BYTES);
        let length: u64 = length.ok_or_else(|| GitError::unexpected("cat-file", head.as_bytes()))?;
        let mut content = self.stdout.by_ref().take(length);
        let taken =
            if kind == "blob" { Some(take(&mut content, length).map_err(GitError::CatFile)?) } else { None };
        // What `take` left unread, and the line feed behind the content, would be read as the next answer.
        std::io::copy(&mut content, &mut std::io::sink()).map_err(GitError::CatFile)?;
        let mut end = [0];
        self.stdout.read_exact(&mut end).map_err(GitError::CatFile)?;
        Ok(taken)
    }

    /// Asks for an object and returns the first line of the answer; `None` when the process has ended.
    fn request_object(&mut self, name: &str) -> Result<Option<Vec<u8>>, GitError> {
        let stdin = self.stdin.as_mut().ok_or_else(broken_pipe)?;
        match stdin.write_all(format!("{name}\n").as_bytes()) {
            // The process has ended; what it printed says why, which the error of the pipe does not.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(None),
            written => written.map_err(GitError::CatFile)?,
        }
        let mut head = Vec::new();
        let mut limited = self.stdout.by_ref().take(MAX_HEAD_BYTES);
        limited.read_until(b'\n', &mut head).map_err(GitError::CatFile)?;
        if head.is_empty() {
            return Ok(None);
        }
        if !head.ends_with(b"\n") {
            return Err(self.process.silence_error().map_or_else(
                || GitError::unexpected("cat-file", &head),
                |error| GitError::from_process("cat-file", error),
            ));
        }
        Ok(Some(head))
    }

    /// Why the process ended, as it printed.
    fn explain_end(&mut self) -> GitError {
        // Git exits at the end of its input.
        self.stdin = None;
        match self.process.wait(MAX_END) {
            Ok((_, printed)) => GitError::from_stderr("cat-file", &printed),
            Err(error) => GitError::from_process("cat-file", error),
        }
    }
}

fn broken_pipe() -> GitError {
    GitError::CatFile(std::io::ErrorKind::BrokenPipe.into())
}
