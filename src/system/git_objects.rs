//! Reads the content of objects with one `git cat-file --batch`, for the index and the history.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread::JoinHandle;

use super::git::{GitError, GitProgram};

/// The most that is kept of what Git prints on standard error.
const MAX_STDERR_BYTES: u64 = 64 * 1024;

/// A running `git cat-file --batch`, which returns the content of one object after the other.
pub struct ObjectReader {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl ObjectReader {
    /// Starts the process.
    ///
    /// # Errors
    /// Git cannot be started.
    pub fn spawn_reader(git: &GitProgram) -> Result<Self, GitError> {
        let mut child = git
            .command()
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(GitError::from_spawn)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(broken_pipe)?;
        // A thread of its own: Git stops when the pipe of its warnings is full.
        let stderr = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut printed = Vec::new();
                let _ = stderr.by_ref().take(MAX_STDERR_BYTES).read_to_end(&mut printed);
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
                printed
            })
        });
        Ok(Self { child, stdin, stdout: BufReader::with_capacity(256 * 1024, stdout), stderr })
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
        let length: u64 = length.parse().map_err(|_| GitError::unexpected("cat-file", head.as_bytes()))?;
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
        self.stdout.read_until(b'\n', &mut head).map_err(GitError::CatFile)?;
        Ok(if head.is_empty() { None } else { Some(head) })
    }

    /// Why the process ended, as it printed.
    fn explain_end(&mut self) -> GitError {
        self.stdin = None;
        // Its input is closed first: else the thread would wait for a process that waits for input.
        let printed = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        GitError::from_stderr("cat-file", &printed)
    }
}

fn broken_pipe() -> GitError {
    GitError::CatFile(std::io::ErrorKind::BrokenPipe.into())
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        // Git exits at the end of its input; without this, the wait would never return.
        self.stdin = None;
        let _ = self.child.wait();
    }
}
