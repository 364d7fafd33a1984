//! Lists the files of the repository and reads single ones, from the working tree or the Git index.
//!
//! Symbolic links are not followed: the target of a link inside the repository is a tracked file itself, and files
//! outside are not part of the repository. Submodules are not entered: each is a repository of its own.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::git::{self, GitBlob, GitError, ObjectReader};
use crate::repository::{self, FileContent};

/// The largest file that is read at once; a larger one is scanned window by window.
pub const WINDOW: usize = 8 * 1024 * 1024;

/// A Git repository in the file system, or a folder without one.
pub struct WorkTree {
    /// The folder with `.git`, else the working folder; empty when it is the working folder.
    pub root: PathBuf,
    git: Option<PathBuf>,
    index: Option<PathBuf>,
}

/// A file to scan: its path, and the name for reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanItem {
    pub shown: String,
    pub path: PathBuf,
}

/// The files to scan.
#[derive(Debug, Default)]
pub struct FileListing {
    pub items: Vec<ScanItem>,
    /// The paths that could not be listed, each with the reason.
    pub faults: Vec<(String, String)>,
    /// What the list leaves out.
    pub remarks: Vec<String>,
}

/// Why the Git index cannot be used.
enum IndexError {
    NoRepository,
    Io(std::io::Error),
    Unsupported(repository::UnsupportedIndex),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRepository => f.write_str("there is no repository"),
            Self::Io(error) => error.fmt(f),
            Self::Unsupported(reason) => f.write_str(reason.0),
        }
    }
}

impl WorkTree {
    /// Finds the repository that contains the working folder. `index` is the value of `GIT_INDEX_FILE`.
    pub fn find_repository(index: Option<&str>) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let root = here.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok());
        let git = root.and_then(git_folder);
        let shown = match root {
            Some(root) if root != here => root.to_owned(),
            _ => PathBuf::new(),
        };
        Self { root: shown, git, index: index.map(PathBuf::from) }
    }

    /// The folder in which Git runs.
    fn root_folder(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// Lists the tracked files. Without a repository, or without Git when the index cannot be parsed, lists the files
    /// that no `.gitignore` ignores.
    pub fn list_tracked_files(&self) -> FileListing {
        if self.git.is_none() {
            return self.walk_folder(self.root_folder());
        }
        let (paths, submodules) = match self.read_index() {
            Ok(found) => found,
            Err(why) => match self.list_files_by_git() {
                Ok(paths) => (paths, 0),
                Err(_) => {
                    let mut listed = self.walk_folder(self.root_folder());
                    listed.remarks.push(format!(
                        "cannot read the Git index ({why}): checked all files that no .gitignore ignores"
                    ));
                    return listed;
                }
            },
        };
        let mut listed = FileListing { items: self.without_links(paths), ..FileListing::default() };
        if submodules > 0 {
            listed.remarks.push(format!("{submodules} submodule(s) were not checked: run keytide in each"));
        }
        listed
    }

    /// Parses the index, and returns the tracked files and the number of submodules.
    fn read_index(&self) -> Result<(Vec<PathBuf>, usize), IndexError> {
        let git = self.git.as_deref().ok_or(IndexError::NoRepository)?;
        let path = self.index.clone().unwrap_or_else(|| git.join("index"));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // A new repository has no index until the first `git add`.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(IndexError::Io(error)),
        };
        let entries = repository::parse_index(&bytes, hash_length(git)).map_err(IndexError::Unsupported)?;
        let submodules = entries.iter().filter(|entry| entry.is_submodule()).count();
        let files = entries.into_iter().filter(repository::IndexEntry::is_file);
        Ok((files.map(|entry| path_of(entry.path)).collect(), submodules))
    }

    /// Lists the tracked files with `git ls-files`.
    fn list_files_by_git(&self) -> Result<Vec<PathBuf>, GitError> {
        let listed = git::run_git(self.root_folder(), &["ls-files", "-z", "--full-name"])?;
        Ok(listed
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .map(|path| path_of(path.to_vec()))
            .collect())
    }

    /// Drops the files in a folder that is a link. A deleted file is dropped by the scan.
    fn without_links(&self, paths: Vec<PathBuf>) -> Vec<ScanItem> {
        let mut folders = HashMap::new();
        let mut items = Vec::with_capacity(paths.len());
        for path in paths {
            if path.parent().is_none_or(|parent| self.is_real_folder(parent, &mut folders)) {
                items.push(ScanItem { shown: display_path(&path), path: self.root.join(path) });
            }
        }
        items
    }

    fn is_real_folder(&self, folder: &Path, known: &mut HashMap<PathBuf, bool>) -> bool {
        if folder.as_os_str().is_empty() {
            return true;
        }
        if let Some(real) = known.get(folder) {
            return *real;
        }
        let above = folder.parent().is_none_or(|parent| self.is_real_folder(parent, known));
        let real = above && self.root.join(folder).symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        known.insert(folder.to_owned(), real);
        real
    }

    /// Lists the files in a folder that no `.gitignore` ignores; other repositories in it are left out.
    fn walk_folder(&self, folder: &Path) -> FileListing {
        let mut listed = FileListing::default();
        let mut walk = ignore::WalkBuilder::new(folder);
        walk.hidden(false).require_git(false).follow_links(false).ignore(false).git_global(false);
        walk.filter_entry(|entry| {
            let inner = entry.depth() > 0 && entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.file_name() != ".git" && !(inner && entry.path().join(".git").symlink_metadata().is_ok())
        });
        for entry in walk.build() {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    let path = entry.into_path();
                    let plain = path.strip_prefix(self.root_folder()).unwrap_or(&path);
                    listed.items.push(ScanItem { shown: display_path(plain), path });
                }
                Ok(_) => {}
                Err(error) => listed.faults.push((folder.display().to_string(), error.to_string())),
            }
        }
        listed.items.sort();
        listed
    }

    /// Lists the files that the command line names; a folder means the tracked files in it.
    pub fn list_given_paths(&self, paths: &[PathBuf]) -> FileListing {
        let mut listed = FileListing::default();
        let mut tracked = None;
        for path in paths {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    let tracked = tracked.get_or_insert_with(|| self.list_tracked_files());
                    let more = self.list_folder(path, tracked);
                    listed.items.extend(more.items);
                    listed.faults.extend(more.faults);
                }
                Ok(metadata) if metadata.is_symlink() => {
                    let inside = path
                        .canonicalize()
                        .is_ok_and(|target| target.is_file() && self.contains_path(&target));
                    if inside {
                        listed.items.push(self.scan_item(path));
                    } else {
                        listed.remarks.push(format!(
                            "{} is a link to something other than a file of the repository; it was not followed",
                            path.display()
                        ));
                    }
                }
                Ok(_) => listed.items.push(self.scan_item(path)),
                Err(error) => listed.faults.push((path.display().to_string(), error.to_string())),
            }
        }
        listed.items.sort();
        listed.items.dedup();
        listed
    }

    /// Lists the tracked files in a folder; if there are none, all files in it that no `.gitignore` ignores.
    fn list_folder(&self, path: &Path, tracked: &FileListing) -> FileListing {
        let Some(folder) = self.path_from_root(path) else { return self.walk_folder(path) };
        let inside = tracked.items.iter().filter(|item| Path::new(&item.shown).starts_with(&folder));
        let items: Vec<ScanItem> = inside.cloned().collect();
        if items.is_empty() {
            return self.walk_folder(path);
        }
        FileListing { items, ..FileListing::default() }
    }

    /// Turns a path relative to the working folder into one relative to the root. It does not resolve links.
    fn path_from_root(&self, path: &Path) -> Option<PathBuf> {
        let here = std::env::current_dir().ok()?;
        let root = if self.root.as_os_str().is_empty() { here.clone() } else { self.root.clone() };
        let mut plain = PathBuf::new();
        for part in here.join(path).components() {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        plain.strip_prefix(root).ok().map(Path::to_owned)
    }

    fn scan_item(&self, path: &Path) -> ScanItem {
        let shown =
            self.path_from_root(path).map_or_else(|| path.display().to_string(), |path| display_path(&path));
        ScanItem { shown, path: path.to_owned() }
    }

    fn contains_path(&self, target: &Path) -> bool {
        self.root_folder().canonicalize().is_ok_and(|root| target.starts_with(root))
    }

    /// Reads a file by its path from the root. A link that leads out of the repository is not followed.
    pub fn read_content(&self, path: &Path) -> FileContent {
        let full = self.root.join(path);
        match full.canonicalize() {
            Ok(target) if !self.contains_path(&target) => {
                return FileContent::Unreadable("it is a link to a file outside the repository".to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return FileContent::Absent,
            _ => {}
        }
        match super::files::read_bounded(&full, WINDOW) {
            Ok(bytes) => file_content(bytes),
            Err(error) => FileContent::Unreadable(error.to_string()),
        }
    }

    /// Reads a file of the Git index by its path from the root.
    ///
    /// # Errors
    /// Git's.
    pub fn read_staged(&self, objects: &mut ObjectReader, path: &Path) -> Result<FileContent, GitError> {
        let name = format!(":{}", display_path(path));
        let read = |content: &mut dyn Read, _| {
            let mut bytes = Vec::new();
            content.take(WINDOW as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
        };
        Ok(objects.read_object(&name, read)?.map_or(FileContent::Absent, file_content))
    }

    /// Whether the clone has only a part of the history.
    pub fn is_shallow(&self) -> bool {
        self.git.as_deref().is_some_and(|git| common_folder(git).join("shallow").exists())
    }

    /// Starts `git cat-file --batch` in this repository.
    ///
    /// # Errors
    /// There is no repository, or Git cannot be started.
    pub fn open_objects(&self) -> Result<ObjectReader, GitError> {
        self.git.as_deref().ok_or(GitError::NoRepository)?;
        ObjectReader::spawn_reader(self.root_folder())
    }

    /// As [`git::staged_blobs`], limited to some paths.
    ///
    /// # Errors
    /// Git's.
    pub fn staged_blobs(&self, paths: &[PathBuf]) -> Result<Vec<GitBlob>, GitError> {
        git::staged_blobs(
            self.root_folder(),
            &self.path_list(paths).iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// As [`git::history_blobs`], limited to some paths.
    ///
    /// # Errors
    /// Git's.
    pub fn history_blobs(&self, paths: &[PathBuf]) -> Result<Vec<GitBlob>, GitError> {
        git::history_blobs(
            self.root_folder(),
            &self.path_list(paths).iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// As [`git::first_commits`], by blob.
    ///
    /// # Errors
    /// Git's.
    pub fn first_commits(&self, wanted: &[&str]) -> Result<BTreeMap<String, String>, GitError> {
        Ok(git::first_commits(self.root_folder(), wanted)?.into_iter().collect())
    }

    fn path_list(&self, paths: &[PathBuf]) -> Vec<String> {
        paths
            .iter()
            .map(|path| {
                self.path_from_root(path).map_or_else(
                    || path.display().to_string(),
                    |p| format!(":(top,literal){}", display_path(&p)),
                )
            })
            .collect()
    }
}

fn file_content(bytes: Vec<u8>) -> FileContent {
    if repository::is_lfs_pointer(&bytes) {
        return FileContent::Unreadable(
            "it is a Git LFS pointer; download the file with `git lfs pull`".to_owned(),
        );
    }
    if bytes.len() > WINDOW {
        return FileContent::Unreadable(format!("it is larger than {WINDOW} bytes"));
    }
    FileContent::Bytes(bytes)
}

/// Returns the folder of Git's own files: `.git`, or the one that the `.git` file of a worktree or submodule names.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = std::fs::read_to_string(&git).ok()?;
    let folder = root.join(text.trim().strip_prefix("gitdir:")?.trim());
    folder.is_dir().then_some(folder)
}

/// Returns the folder that the worktrees of one repository share.
fn common_folder(git: &Path) -> PathBuf {
    std::fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.to_owned(), |text| git.join(text.trim()))
}

/// Returns the length of an object ID: 20 bytes, or 32 when the configuration has `objectformat = sha256`.
fn hash_length(git: &Path) -> usize {
    let config =
        std::fs::read_to_string(common_folder(git).join("config")).unwrap_or_default().to_ascii_lowercase();
    let is_sha256 =
        config.lines().any(|line| line.trim().starts_with("objectformat") && line.contains("sha256"));
    if is_sha256 { 32 } else { 20 }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Returns a path with forward slashes, also on Windows.
fn display_path(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}
