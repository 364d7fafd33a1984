//! Runs the Git program, for what keytide does not read itself: the content of objects, the staged changes, the history.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Why Git gave no answer.
#[derive(Debug)]
pub enum GitError {
    NotInstalled,
    NotStarted(std::io::Error),
    NoRepository,
    /// Git exited with an error; the message is the first line that it printed.
    Failed {
        subcommand: String,
        message: String,
    },
    /// `git cat-file` closed its output or printed something unexpected.
    CatFile(std::io::Error),
}

impl GitError {
    fn from_spawn(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            Self::NotInstalled
        } else {
            Self::NotStarted(error)
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("Git is not installed"),
            Self::NotStarted(error) => write!(f, "cannot start Git: {error}"),
            Self::NoRepository => f.write_str("this is not a Git repository"),
            Self::Failed { subcommand, message } => write!(f, "git {subcommand} failed: {message}"),
            Self::CatFile(error) => write!(f, "git cat-file failed: {error}"),
        }
    }
}

impl std::error::Error for GitError {}

/// A blob: its object ID and one of its paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitBlob {
    pub id: String,
    pub path: String,
}

/// Runs Git in a folder and returns what it prints.
///
/// # Errors
/// Git cannot be started, or exits with an error.
pub fn run_git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let output =
        git_command(folder).args(arguments).stdin(Stdio::null()).output().map_err(GitError::from_spawn)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    let message = printed.lines().next().unwrap_or("no message").to_owned();
    Err(GitError::Failed { subcommand: arguments[0].to_owned(), message })
}

/// Git without a pager and without locks. A file system monitor that the repository configures is not run: it is a
/// program of the repository's choice.
fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    command.args(["--no-pager", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"]);
    command
}

/// Returns the blobs that the next commit adds or changes: those of the index that are not in `HEAD`.
///
/// # Errors
/// As [`run_git`].
pub fn staged_blobs(root: &Path, paths: &[&str]) -> Result<Vec<GitBlob>, GitError> {
    let mut arguments =
        vec!["diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff"];
    arguments.extend(["--diff-filter=d", "--ignore-submodules=all", "--"]);
    arguments.extend(paths);
    let raw = run_git(root, &arguments)?;
    let mut fields = raw.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut blobs = Vec::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        let words: Vec<&str> = head.split(' ').collect();
        if let [_, mode, _, id, _] = words[..]
            && mode.starts_with("100")
        {
            blobs.push(GitBlob { id: id.to_owned(), path: path.into_owned() });
        }
    }
    Ok(blobs)
}

/// Returns every blob that is reachable from a commit, once, with one of its paths.
///
/// # Errors
/// As [`run_git`].
pub fn history_blobs(root: &Path, paths: &[&str]) -> Result<Vec<GitBlob>, GitError> {
    let mut arguments = vec!["rev-list", "--objects", "--all", "--ignore-missing", "HEAD", "--"];
    arguments.extend(paths);
    let listed = run_git(root, &arguments)?;
    let objects: Vec<GitBlob> = listed.split(|byte| *byte == b'\n').filter_map(parse_object).collect();
    retain_blobs(root, objects)
}

/// Parses `ID PATH`. Commits and root trees have no path.
fn parse_object(line: &[u8]) -> Option<GitBlob> {
    let (id, path) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    if path.is_empty() {
        return None;
    }
    Some(GitBlob { id: id.to_owned(), path: path.to_owned() })
}

/// Drops the objects that are not blobs.
fn retain_blobs(root: &Path, objects: Vec<GitBlob>) -> Result<Vec<GitBlob>, GitError> {
    let mut child = git_command(root)
        .args(["cat-file", "--batch-check=%(objecttype)", "--buffer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(GitError::from_spawn)?;
    let stdin = child.stdin.take();
    let mut types = String::new();
    // Git answers while it reads: writing everything first would block both sides on full pipes.
    std::thread::scope(|scope| {
        let objects = &objects;
        scope.spawn(move || {
            let mut stdin = std::io::BufWriter::new(stdin?);
            objects.iter().try_for_each(|object| writeln!(stdin, "{}", object.id)).ok()
        });
        child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut types))
    });
    let _ = child.wait();
    let types: Vec<&str> = types.lines().collect();
    if types.len() != objects.len() {
        return Err(GitError::CatFile(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(objects.into_iter().zip(types).filter(|(_, kind)| *kind == "blob").map(|(object, _)| object).collect())
}

/// Returns the blobs among `wanted` with the commit that added each first, abbreviated.
///
/// # Errors
/// As [`run_git`].
pub fn first_commits(root: &Path, wanted: &[&str]) -> Result<Vec<(String, String)>, GitError> {
    let arguments = [
        "log",
        "--all",
        "--reverse",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--root",
        "-m",
        "--diff-filter=AMT",
        "--format=%h",
    ];
    let log = run_git(root, &arguments)?;
    let mut commit = String::new();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in log.split(|byte| *byte == b'\n').map(String::from_utf8_lossy) {
        if let Some(raw) = line.strip_prefix(':') {
            let id = raw.split(' ').nth(3).unwrap_or_default();
            if wanted.contains(&id) && !found.iter().any(|(known, _)| known == id) {
                found.push((id.to_owned(), commit.clone()));
            }
        } else if !line.is_empty() {
            commit = line.chars().take(12).collect();
        }
    }
    Ok(found)
}

/// A running `git cat-file --batch`, which returns the content of one object after the other.
pub struct ObjectReader {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl ObjectReader {
    /// Starts the process.
    ///
    /// # Errors
    /// Git cannot be started.
    pub fn spawn_reader(root: &Path) -> Result<Self, GitError> {
        let mut child = git_command(root)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(GitError::from_spawn)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(broken_pipe)?;
        Ok(Self { child, stdin, stdout: BufReader::with_capacity(256 * 1024, stdout) })
    }

    /// Passes the content of a blob and its length to `take`; returns `None` when there is no such blob.
    ///
    /// # Errors
    /// The process has ended, or `take` failed.
    pub fn read_object<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut dyn Read, u64) -> std::io::Result<T>,
    ) -> Result<Option<T>, GitError> {
        // The protocol of `--batch` is one name a line.
        if name.contains('\n') {
            return Ok(None);
        }
        let stdin = self.stdin.as_mut().ok_or_else(broken_pipe)?;
        stdin.write_all(format!("{name}\n").as_bytes()).map_err(GitError::CatFile)?;
        let mut head = String::new();
        self.stdout.read_line(&mut head).map_err(GitError::CatFile)?;
        let words: Vec<&str> = head.trim_end().rsplitn(3, ' ').collect();
        let [length, "blob", _] = words[..] else { return Ok(None) };
        let length: u64 =
            length.parse().map_err(|_| GitError::CatFile(std::io::ErrorKind::InvalidData.into()))?;
        let mut content = self.stdout.by_ref().take(length);
        let taken = take(&mut content, length).map_err(GitError::CatFile)?;
        // What `take` left unread, and the line feed behind the content, would be read as the next answer.
        std::io::copy(&mut content, &mut std::io::sink()).map_err(GitError::CatFile)?;
        let mut end = [0];
        self.stdout.read_exact(&mut end).map_err(GitError::CatFile)?;
        Ok(Some(taken))
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
