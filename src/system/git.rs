//! Runs the Git program, for what keytide does not read itself: the content of objects, the staged changes, the history.
//!
//! The configuration of a repository can name programs, and a missing object can be fetched from a remote. Neither
//! happens here: only plumbing commands run, which start no pager, no signature program and no file system monitor, and
//! every transport is forbidden.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use super::git_process::{self, MAX_SILENCE, ProcessError, ProcessOutput};

/// The most that Git may print as a list: ten times what a repository with a million files needs.
const MAX_LIST_BYTES: usize = 1024 * 1024 * 1024;
/// The longest list of an index: a million files. An index of a megabyte can name thousands of times as much.
pub(super) const MAX_INDEX_LIST_BYTES: usize = 160 * 1024 * 1024;
/// The most that Git may print as one answer, such as an object ID.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why Git gave no answer.
#[derive(Debug)]
pub enum GitError {
    NotInstalled,
    NotStarted(std::io::Error),
    NoRepository,
    /// There is a repository, and it cannot be read.
    BrokenRepository(String),
    /// Git exited with an error; the message is what it printed first.
    Failed {
        subcommand: String,
        message: String,
    },
    /// A line of Git's output has an unknown form.
    Unexpected {
        subcommand: &'static str,
        line: String,
    },
    /// `git cat-file` closed its output.
    CatFile(std::io::Error),
    /// Git was stopped at a limit, or its output could not be read.
    Stopped {
        subcommand: String,
        reason: ProcessError,
    },
}

impl GitError {
    fn from_spawn(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            Self::NotInstalled
        } else {
            Self::NotStarted(error)
        }
    }

    pub(super) fn from_process(subcommand: &str, error: ProcessError) -> Self {
        match error {
            ProcessError::Start(error) => Self::from_spawn(error),
            reason => Self::Stopped { subcommand: subcommand.to_owned(), reason },
        }
    }

    /// The error of a command that failed, with the reason among what it printed on standard error.
    pub(super) fn from_stderr(subcommand: &str, printed: &[u8]) -> Self {
        let printed = String::from_utf8_lossy(printed);
        // Warnings come before the reason.
        let reason = printed.lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
        let line = reason.or(printed.lines().next()).unwrap_or("no message");
        let mut message = line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned();
        if message.contains("dubious ownership") {
            message.push_str(
                ": the folder belongs to another user (`git config --global --add safe.directory FOLDER` allows it)",
            );
        }
        Self::Failed { subcommand: subcommand.to_owned(), message }
    }

    pub(super) fn unexpected(subcommand: &'static str, line: &[u8]) -> Self {
        let line: String = String::from_utf8_lossy(line).chars().take(200).collect();
        Self::Unexpected { subcommand, line }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("Git is not installed"),
            Self::NotStarted(error) => write!(f, "cannot start Git: {error}"),
            Self::NoRepository => f.write_str("this is not a Git repository"),
            Self::BrokenRepository(reason) => f.write_str(reason),
            Self::Failed { subcommand, message } => write!(f, "git {subcommand} failed: {message}"),
            Self::Unexpected { subcommand, line } => {
                write!(f, "git {subcommand} printed a line that keytide does not understand: {line}")
            }
            Self::CatFile(error) => write!(f, "git cat-file failed: {error}"),
            Self::Stopped { subcommand, reason } => write!(f, "git {subcommand}: {reason}"),
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

/// What the index holds that `HEAD` does not.
#[derive(Debug, Default)]
pub struct StagedBlobs {
    pub blobs: Vec<GitBlob>,
    /// Paths with a merge conflict: no commit is possible before it is resolved.
    pub conflicts: Vec<String>,
}

/// How Git runs for one repository.
#[derive(Debug, Clone)]
pub struct GitProgram {
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// The variables of the environment that name the repository's folders, as absolute paths.
    pub variables: Vec<(&'static str, PathBuf)>,
}

impl GitProgram {
    /// A command that reaches no network and starts no program of the repository's choice.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(&self.folder)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            // A partial clone would fetch each missing object. Older versions of Git know only the second variable.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            // `refs/replace` could show another content than the one that is committed.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // `info/grafts` could take the parents from a commit, and with them a part of the history.
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env("LC_ALL", "C")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(["--no-pager", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"]);
        // The commit graph is a copy of the history beside the commits, and Git does not compare the two.
        command.args(["-c", "log.showSignature=false", "-c", "core.commitGraph=false"]);
        command
    }

    fn run_command(&self, arguments: &[&str], input: &[u8], limit: usize) -> Result<ProcessOutput, GitError> {
        git_process::run_limited(self.command().args(arguments), input, limit, MAX_SILENCE)
            .map_err(|error| GitError::from_process(arguments[0], error))
    }

    /// Runs Git and returns what it prints.
    ///
    /// # Errors
    /// Git cannot be started, exits with an error, or is stopped at a limit.
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.run_with_input(arguments, &[], MAX_LIST_BYTES)
    }

    /// Runs Git with this standard input and returns what it prints, at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn run_with_input(
        &self,
        arguments: &[&str],
        input: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, GitError> {
        let output = self.run_command(arguments, input, limit)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(GitError::from_stderr(arguments[0], &output.stderr))
    }

    /// Checks that Git works in this repository.
    ///
    /// # Errors
    /// As [`Self::run`]; for example the folder belongs to another user.
    pub fn ensure_usable(&self) -> Result<(), GitError> {
        self.run_with_input(&["rev-parse", "--git-dir"], &[], MAX_ANSWER_BYTES).map(drop)
    }

    /// Returns the commit `HEAD`, or the empty tree before the first commit.
    fn head_or_empty_tree(&self) -> Result<String, GitError> {
        let output =
            self.run_command(&["rev-parse", "--verify", "--quiet", "HEAD"], &[], MAX_ANSWER_BYTES)?;
        let id = match output.status.code() {
            Some(0) => output.stdout,
            // Only this code means that there is no commit yet.
            Some(1) => {
                self.run_with_input(&["hash-object", "-t", "tree", "--stdin"], &[], MAX_ANSWER_BYTES)?
            }
            _ => return Err(GitError::from_stderr("rev-parse", &output.stderr)),
        };
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// Returns the blobs that the next commit adds or changes: those of the index that are not in `HEAD`.
    ///
    /// # Errors
    /// As [`Self::run`], or a line of the output has an unknown form.
    pub fn staged_blobs(&self, paths: &[&str]) -> Result<StagedBlobs, GitError> {
        let head = self.head_or_empty_tree()?;
        let mut arguments = vec!["diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev"];
        // Deleted files have no content, and a submodule is a repository of its own.
        arguments.extend(["--no-ext-diff", "--diff-filter=d", "--ignore-submodules=all", &head, "--"]);
        arguments.extend(paths);
        parse_staged_blobs(&self.run_with_input(&arguments, &[], MAX_INDEX_LIST_BYTES)?)
    }

    /// Returns every blob that is reachable from a reference or `HEAD`, once, with one of its paths.
    ///
    /// # Errors
    /// As [`Self::staged_blobs`].
    pub fn history_blobs(&self, paths: &[&str]) -> Result<Vec<GitBlob>, GitError> {
        // A missing object of a partial clone is listed as `?ID`, and is missing again when it is read.
        let mut arguments = vec!["rev-list", "--objects", "--missing=print", "--all", "--"];
        arguments.extend(paths);
        let listed = self.run(&arguments)?;
        let mut objects = Vec::new();
        for line in listed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            objects.push(parse_object(line).ok_or_else(|| GitError::unexpected("rev-list", line))?);
        }
        self.retain_blobs(objects)
    }

    /// Drops the objects that are not blobs. A missing object stays: to read it is what fails.
    fn retain_blobs(&self, objects: Vec<GitBlob>) -> Result<Vec<GitBlob>, GitError> {
        let mut ids = String::new();
        for object in &objects {
            ids.push_str(&object.id);
            ids.push('\n');
        }
        let arguments = ["cat-file", "--batch-check=%(objecttype)", "--buffer"];
        let types = self.run_with_input(&arguments, ids.as_bytes(), MAX_LIST_BYTES)?;
        // The answers come in the order of the questions, one a line.
        let mut types = types.split(|byte| *byte == b'\n');
        let mut blobs = Vec::new();
        for object in objects {
            match types.next() {
                Some(b"blob") => blobs.push(object),
                Some(b"commit" | b"tree" | b"tag") => {}
                Some(line) if line.ends_with(b" missing") => blobs.push(object),
                line => return Err(GitError::unexpected("cat-file", line.unwrap_or_default())),
            }
        }
        Ok(blobs)
    }

    /// Returns the commit that added each of the blobs first, abbreviated, by blob.
    ///
    /// # Errors
    /// As [`Self::staged_blobs`].
    pub fn first_commits(&self, wanted: &[&str]) -> Result<HashMap<String, String>, GitError> {
        let commits = self.run(&["rev-list", "--all", "--reverse"])?;
        let arguments = [
            "diff-tree",
            "--stdin",
            "--root",
            "-r",
            "-m",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--no-ext-diff",
        ];
        let raw = self.run_with_input(&arguments, &commits, MAX_LIST_BYTES)?;
        parse_first_commits(&raw, &wanted.iter().copied().collect())
    }
}

/// Parses `:MODE MODE ID ID STATUS` and the path, each ended by a zero byte.
fn parse_staged_blobs(raw: &[u8]) -> Result<StagedBlobs, GitError> {
    let mut staged = StagedBlobs::default();
    let mut fields = raw.split(|byte| *byte == 0);
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        let path = fields.next().filter(|path| !path.is_empty());
        path.and_then(|path| add_staged_change(&mut staged, head, path))
            .ok_or_else(|| GitError::unexpected("diff-index", head))?;
    }
    Ok(staged)
}

/// Adds one change; `None` when its line has another form.
fn add_staged_change(staged: &mut StagedBlobs, head: &[u8], path: &[u8]) -> Option<()> {
    let path = String::from_utf8_lossy(path).into_owned();
    let words: Vec<&str> = std::str::from_utf8(head).ok()?.split(' ').collect();
    let [_, mode, _, id, status] = words[..] else { return None };
    match (mode, status) {
        (_, "U") => staged.conflicts.push(path),
        (file, _) if file.starts_with("100") && is_object_id(id.as_bytes()) => {
            staged.blobs.push(GitBlob { id: id.to_owned(), path });
        }
        // A link and a submodule have no content of their own.
        ("120000" | "160000", _) => {}
        _ => return None,
    }
    Some(())
}

/// Parses `ID`, `ID PATH` or `?ID`. The path is for reports only, so it may be changed to be text.
fn parse_object(line: &[u8]) -> Option<GitBlob> {
    let line = line.strip_prefix(b"?").unwrap_or(line);
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (id, path) = (&line[..end], line.get(end + 1..).unwrap_or_default());
    if !is_object_id(id) {
        return None;
    }
    let path =
        if path.is_empty() { "(an object without a path)".into() } else { String::from_utf8_lossy(path) };
    Some(GitBlob { id: String::from_utf8_lossy(id).into_owned(), path: path.into_owned() })
}

/// Parses the commits, each with the raw lines of its changes.
fn parse_first_commits(raw: &[u8], wanted: &HashSet<&str>) -> Result<HashMap<String, String>, GitError> {
    let mut commit = String::new();
    let mut found = HashMap::new();
    for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match parse_history_line(line).ok_or_else(|| GitError::unexpected("diff-tree", line))? {
            HistoryLine::Commit(id) => commit = id.chars().take(12).collect(),
            // The commits come in the order of the history: the first one that has the blob counts.
            HistoryLine::Change(id) if wanted.contains(id) && !found.contains_key(id) => {
                found.insert(id.to_owned(), commit.clone());
            }
            HistoryLine::Change(_) => {}
        }
    }
    Ok(found)
}

enum HistoryLine<'l> {
    /// The ID of a commit, whose changes follow.
    Commit(&'l str),
    /// The ID of the blob after a change.
    Change(&'l str),
}

fn parse_history_line(line: &[u8]) -> Option<HistoryLine<'_>> {
    let end = memchr::memchr(b'\t', line).unwrap_or(line.len());
    let text = std::str::from_utf8(&line[..end]).ok()?;
    if let Some(change) = text.strip_prefix(':') {
        return Some(HistoryLine::Change(change.split(' ').nth(3)?));
    }
    let id = text.split(' ').next().unwrap_or_default();
    if is_object_id(id.as_bytes()) { Some(HistoryLine::Commit(id)) } else { None }
}

/// Whether it is a whole object ID, of SHA-1 or SHA-256.
fn is_object_id(text: &[u8]) -> bool {
    matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "587be6b4c3f93f93c489c0111bba5596147a26cb";

    #[test]
    fn a_line_of_another_form_is_an_error() {
        let zero = "0".repeat(40);
        let line = format!(
            ":000000 100644 {zero} {ID} A\0aé\0:100644 000000 {ID} {zero} U\0b\0:000000 120000 {zero} {ID} A\0l\0"
        );
        let staged = parse_staged_blobs(line.as_bytes()).unwrap();
        assert_eq!((staged.blobs.len(), staged.conflicts), (1, vec!["b".to_owned()]));
        for line in [
            format!(":000000 100644 {zero} {ID} A\0"),
            format!(":000000 100644 {zero} {ID}\0a\0"),
            format!(":000000 100644 {zero} 587b A\0a\0"),
            format!(":000000 777777 {zero} {ID} A\0a\0"),
            "nonsense\0a\0".to_owned(),
        ] {
            assert!(parse_staged_blobs(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(parse_object(b"warning: x").is_none() && parse_object(b"587be6b4 a").is_none());
        let object = parse_object(&[ID.as_bytes(), b" a\xff.env"].concat()).unwrap();
        assert_eq!((object.id.as_str(), object.path.as_str()), (ID, "a\u{fffd}.env"));
        assert!(parse_first_commits(b"warning: nonsense\n", &HashSet::new()).is_err());
    }

    #[test]
    fn the_reason_is_found_below_the_warnings() {
        let printed = b"warning: Not a git repository.\nfatal: detected dubious ownership in repository at '/x'\nTo add";
        let text = GitError::from_stderr("rev-parse", printed).to_string();
        assert!(text.starts_with("git rev-parse failed: detected dubious ownership"), "{text}");
        assert!(text.contains("safe.directory"), "{text}");
    }
}
