//! The files of the repository: which there are, and the content of one.
//!
//! Symbolic links are not followed: what a link inside the repository points to is tracked by itself, and what lies
//! outside is nobody's business. A submodule is a repository of its own.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::git::{self, GitBlob, ObjectReader};
use crate::repository::{self, FileContent};

/// The largest file that is read as a whole; a larger one goes through a window of this size.
pub const WINDOW: usize = 8 * 1024 * 1024;

/// A repository in the file system, or a folder that is none.
pub struct WorkTree {
    /// The folder that holds `.git`, else the working folder; empty for the working folder itself.
    pub root: PathBuf,
    git: Option<PathBuf>,
    index: Option<PathBuf>,
}

/// One file to look at, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanItem {
    pub shown: String,
    pub path: PathBuf,
}

/// Which files there are, and what must be said about the list.
#[derive(Debug, Default)]
pub struct FileListing {
    pub items: Vec<ScanItem>,
    pub faults: Vec<(String, String)>,
    pub remarks: Vec<String>,
}

impl WorkTree {
    /// The repository around the working folder. `index` is git's `GIT_INDEX_FILE`.
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

    /// Where git commands run.
    fn root_folder(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// Every file that git tracks. Without a repository, or with an index that is not understood and no git program:
    /// every file that no `.gitignore` names.
    pub fn list_tracked_files(&self) -> FileListing {
        if self.git.is_none() {
            return self.walk_folder(self.root_folder());
        }
        let (paths, submodules) = match self.read_index() {
            Ok(found) => found,
            Err(why) => {
                match self.list_files_by_git() {
                    Ok(paths) => (paths, 0),
                    Err(_) => {
                        let mut listed = self.walk_folder(self.root_folder());
                        listed.remarks.push(format!("git's index cannot be read ({why}): files that no .gitignore names were looked at"));
                        return listed;
                    }
                }
            }
        };
        let mut listed = FileListing { items: self.without_links(paths), ..FileListing::default() };
        if submodules > 0 {
            listed.remarks.push(format!(
                "{submodules} submodule(s) were not looked into: check each in its own repository"
            ));
        }
        listed
    }

    /// The tracked files as the index has them, and how many submodules there are.
    fn read_index(&self) -> Result<(Vec<PathBuf>, usize), String> {
        let git = self.git.as_deref().ok_or("there is no repository")?;
        let path = self.index.clone().unwrap_or_else(|| git.join("index"));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error.to_string()),
        };
        let entries = repository::parse_index(&bytes, hash_length(git)).map_err(|why| why.0.to_owned())?;
        let submodules = entries.iter().filter(|entry| entry.is_submodule()).count();
        Ok((
            entries
                .into_iter()
                .filter(repository::IndexEntry::is_file)
                .map(|entry| path_of(entry.path))
                .collect(),
            submodules,
        ))
    }

    /// The tracked files as the git program tells them.
    fn list_files_by_git(&self) -> Result<Vec<PathBuf>, String> {
        let listed = git::run_git(self.root_folder(), &["ls-files", "-z", "--full-name"])?;
        Ok(listed
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .map(|path| path_of(path.to_vec()))
            .collect())
    }

    /// Leaves out links, folders and what lies behind a linked folder. A file that was deleted is no fault.
    fn without_links(&self, paths: Vec<PathBuf>) -> Vec<ScanItem> {
        let mut folders = HashMap::new();
        let is_real = |path: &PathBuf, folders: &mut _| {
            path.parent().is_none_or(|parent| self.is_real_folder(parent, folders))
        };
        let item = |path: PathBuf| ScanItem { shown: display_path(&path), path: self.root.join(path) };
        paths.into_iter().filter(|path| is_real(path, &mut folders)).map(item).collect()
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

    /// The files below a folder that no `.gitignore` names; other repositories inside it are passed over.
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

    /// The files that somebody named; a folder stands for the tracked files in it.
    pub fn list_given_paths(&self, paths: &[PathBuf]) -> FileListing {
        let mut listed = FileListing::default();
        let mut tracked = None;
        for path in paths {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => {
                    let inside = self.path_from_root(path);
                    let tracked = tracked.get_or_insert_with(|| self.list_tracked_files());
                    let below = |item: &&ScanItem| {
                        inside.as_ref().is_some_and(|folder| Path::new(&item.shown).starts_with(folder))
                    };
                    let items: Vec<ScanItem> = tracked.items.iter().filter(below).cloned().collect();
                    let more = if items.is_empty() {
                        self.walk_folder(path)
                    } else {
                        FileListing { items, ..FileListing::default() }
                    };
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
                            "{} is a link that leads to no file of the repository; it was not followed",
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

    /// A path of the working folder as one from the root. Lexical, so that a link stays a link.
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

    /// A file by its path from the root, whole, if it is not larger than a window.
    pub fn read_content(&self, path: &Path) -> FileContent {
        let full = self.root.join(path);
        match full.canonicalize() {
            Ok(target) if !self.contains_path(&target) => {
                return FileContent::Unreadable("it is a link that leads out of the repository".to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return FileContent::Absent,
            _ => {}
        }
        match super::files::read_bounded(&full, WINDOW) {
            Ok(bytes) => file_content(bytes),
            Err(why) => FileContent::Unreadable(why),
        }
    }

    /// The same from git's index.
    ///
    /// # Errors
    /// Git is not there.
    pub fn read_staged(&self, objects: &mut ObjectReader, path: &Path) -> Result<FileContent, String> {
        let name = format!(":{}", display_path(path));
        let read = |content: &mut dyn Read, _| {
            let mut bytes = Vec::new();
            content.take(WINDOW as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
        };
        Ok(objects.read_object(&name, read)?.map_or(FileContent::Absent, file_content))
    }

    /// Whether the history is only here in part.
    pub fn is_shallow(&self) -> bool {
        self.git.as_deref().is_some_and(|git| common_folder(git).join("shallow").exists())
    }

    /// A `git cat-file --batch` of this repository.
    ///
    /// # Errors
    /// There is no repository, or no git program.
    pub fn open_objects(&self) -> Result<ObjectReader, String> {
        self.git.as_deref().ok_or("this is no git repository")?;
        ObjectReader::spawn_reader(self.root_folder())
    }

    /// Blobs that the next commit brings. As [`git::staged_blobs`].
    ///
    /// # Errors
    /// As [`git::staged_blobs`].
    pub fn staged_blobs(&self, paths: &[PathBuf]) -> Result<Vec<GitBlob>, String> {
        git::staged_blobs(
            self.root_folder(),
            &self.path_list(paths).iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// Blobs of all commits. As [`git::history_blobs`].
    ///
    /// # Errors
    /// As [`git::history_blobs`].
    pub fn history_blobs(&self, paths: &[PathBuf]) -> Result<Vec<GitBlob>, String> {
        git::history_blobs(
            self.root_folder(),
            &self.path_list(paths).iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// Names the commits that brought some blobs. As [`git::first_commits`].
    ///
    /// # Errors
    /// As [`git::first_commits`].
    pub fn first_commits(&self, wanted: &[&str]) -> Result<BTreeMap<String, String>, String> {
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
            "it is a Git LFS pointer; fetch the file with `git lfs pull`".to_owned(),
        );
    }
    if bytes.len() > WINDOW {
        return FileContent::Unreadable(format!("it is too large: at most {WINDOW} bytes are read"));
    }
    FileContent::Bytes(bytes)
}

/// The folder of git's own files: `.git`, or where a worktree's or submodule's `.git` file points to.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = std::fs::read_to_string(&git).ok()?;
    let folder = root.join(text.trim().strip_prefix("gitdir:")?.trim());
    folder.is_dir().then_some(folder)
}

/// What worktrees of one repository share.
fn common_folder(git: &Path) -> PathBuf {
    std::fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.to_owned(), |text| git.join(text.trim()))
}

/// The length of an object name: 20 bytes, or 32 where the repository says `objectformat = sha256`.
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

/// A path with forward slashes, whatever the system writes.
fn display_path(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}
