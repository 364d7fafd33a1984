//! The git program, for what only it can give: the content of objects, and the history.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An object name and the path it has somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitBlob {
    pub id: String,
    pub path: String,
}

/// Runs git in a folder and takes what it prints.
///
/// # Errors
/// Git is not there, or says that something is wrong; the sentence is git's own.
pub fn run_git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = git_command(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| describe_spawn_error(&error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("git {} failed: {}", arguments[0], said.lines().next().unwrap_or("it said nothing")))
}

/// Git without a pager, without locks, and without the repository's own programs for showing files.
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

fn describe_spawn_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the git program is not there".to_owned(),
        _ => format!("git cannot be started: {error}"),
    }
}

/// What the next commit changes: the blobs in the index that are not those of `HEAD`.
///
/// # Errors
/// As [`run_git`].
pub fn staged_blobs(root: &Path, paths: &[&str]) -> Result<Vec<GitBlob>, String> {
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

/// Every blob that a commit reaches, once, with one of its paths.
///
/// # Errors
/// As [`run_git`].
pub fn history_blobs(root: &Path, paths: &[&str]) -> Result<Vec<GitBlob>, String> {
    let mut arguments = vec!["rev-list", "--objects", "--all", "--ignore-missing", "HEAD", "--"];
    arguments.extend(paths);
    let listed = run_git(root, &arguments)?;
    let line = |line: &[u8]| {
        let (id, path) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        (!path.is_empty()).then(|| GitBlob { id: id.to_owned(), path: path.to_owned() })
    };
    let objects: Vec<GitBlob> = listed.split(|byte| *byte == b'\n').filter_map(line).collect();
    only_blobs(root, objects)
}

/// Leaves out what is no blob.
fn only_blobs(root: &Path, objects: Vec<GitBlob>) -> Result<Vec<GitBlob>, String> {
    let mut child = git_command(root)
        .args(["cat-file", "--batch-check=%(objecttype)", "--buffer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| describe_spawn_error(&error))?;
    let stdin = child.stdin.take();
    let mut types = String::new();
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
        return Err("git cat-file ended early".to_owned());
    }
    Ok(objects.into_iter().zip(types).filter(|(_, kind)| *kind == "blob").map(|(object, _)| object).collect())
}

/// For each of some blobs, the first commit that brought it, abbreviated: in the order of the answer's finding.
///
/// # Errors
/// As [`run_git`].
pub fn first_commits(root: &Path, wanted: &[&str]) -> Result<Vec<(String, String)>, String> {
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

/// A running `git cat-file --batch`: asked for one object after the other.
pub struct ObjectReader {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl ObjectReader {
    /// # Errors
    /// Git is not there.
    pub fn spawn_reader(root: &Path) -> Result<Self, String> {
        let mut child = git_command(root)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| describe_spawn_error(&error))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("git gave no output")?;
        Ok(Self { child, stdin, stdout: BufReader::with_capacity(256 * 1024, stdout) })
    }

    /// Hands the content of an object to `take`, with its length; `None` when there is no such object.
    ///
    /// # Errors
    /// Git ended.
    pub fn read_object<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut dyn Read, u64) -> std::io::Result<T>,
    ) -> Result<Option<T>, String> {
        let ended = |error: std::io::Error| format!("git cat-file ended: {error}");
        if name.contains('\n') {
            return Ok(None);
        }
        let stdin = self.stdin.as_mut().ok_or("git cat-file ended")?;
        stdin.write_all(format!("{name}\n").as_bytes()).map_err(ended)?;
        let mut head = String::new();
        self.stdout.read_line(&mut head).map_err(ended)?;
        let words: Vec<&str> = head.trim_end().rsplitn(3, ' ').collect();
        let [length, "blob", _] = words[..] else { return Ok(None) };
        let length: u64 = length.parse().map_err(|_| "git cat-file answered something else".to_owned())?;
        let mut content = self.stdout.by_ref().take(length);
        let taken = take(&mut content, length).map_err(ended)?;
        std::io::copy(&mut content, &mut std::io::sink()).map_err(ended)?;
        let mut end = [0];
        self.stdout.read_exact(&mut end).map_err(ended)?;
        Ok(Some(taken))
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        // Without input git ends by itself.
        self.stdin = None;
        let _ = self.child.wait();
    }
}
