//! Lists the files of the repository and reads single ones, from the working tree or the Git index.
//!
//! Symbolic links are not followed: the target of a link inside the repository is a tracked file itself, and files
//! outside are not part of the repository. Submodules are not entered: each is a repository of its own.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::environment::ProcessEnvironment;
use super::files::{self, FileError};
use super::git::{GitBlob, GitError, GitProgram, MAX_INDEX_LIST_BYTES, StagedBlobs};
use super::git_folder::{self, Discovery, GitFolders, Location};
use super::git_objects::ObjectReader;
use super::git_paths::display_path;
use super::prepared_file::PreparedFile;
use crate::repository::{self, FileContent, IndexEntry, InvalidIndex};

/// The largest file that is read at once; a larger one is scanned window by window.
pub const WINDOW: usize = 8 * 1024 * 1024;
/// The largest index that is read; one with a million files has half of this.
const MAX_INDEX_BYTES: usize = 192 * 1024 * 1024;

/// How Git lists its index.
const LIST_INDEX: [&str; 5] = ["ls-files", "-z", "-s", "-t", "--full-name"];

/// A Git repository in the file system, or a folder without one.
pub struct WorkTree {
    /// The root of the working tree, else the working folder; empty when it is the working folder.
    pub root: PathBuf,
    pub(super) discovery: Discovery,
    program: GitProgram,
    /// The entries that a sparse checkout leaves out, once they were looked for.
    left_out: OnceLock<Vec<IndexEntry>>,
    /// All entries, from the search for these until the files are listed: an index takes a while to read.
    entries: Mutex<Option<Vec<IndexEntry>>>,
    /// A pipe or a device that Git would wait for, once it was looked for.
    blocking: OnceLock<Option<PathBuf>>,
}

/// Why the Git index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("GIT_INDEX_FILE names a file that does not exist")]
    NamedAbsent,
    /// As after `git clone --no-checkout`.
    #[error("the repository has commits and no index: check out its files first")]
    Absent,
    #[error("{0}")]
    File(FileError),
    #[error("{0}")]
    Invalid(InvalidIndex),
    /// Git was asked instead, and could not answer either.
    #[error("{0}, and {1}")]
    Git(InvalidIndex, GitError),
}

impl WorkTree {
    /// Finds the repository that contains the working folder, or that variables such as GIT_DIR name.
    pub fn find_repository(environment: &ProcessEnvironment) -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let Location { root, discovery, program } = git_folder::find_location(environment, &here);
        let root = if root == here { PathBuf::new() } else { root };
        let (left_out, blocking) = (OnceLock::new(), OnceLock::new());
        Self { root, discovery, program, left_out, entries: Mutex::default(), blocking }
    }

    fn folders(&self) -> Option<&GitFolders> {
        if let Discovery::Found(folders) = &self.discovery { Some(folders) } else { None }
    }

    /// The folder in which Git runs.
    pub(super) fn root_folder(&self) -> &Path {
        if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root }
    }

    /// The root as an absolute path.
    fn absolute_root(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_default().join(&self.root)
    }

    /// The text of the repository's configuration; empty without a repository.
    pub fn config_text(&self) -> &str {
        self.folders().map_or("", |folders| &folders.config)
    }

    /// The entries of the index, which are read once more only if they were taken before.
    pub(super) fn take_entries(&self, folders: &GitFolders) -> Result<Vec<IndexEntry>, IndexError> {
        let known = self.entries.lock().unwrap_or_else(PoisonError::into_inner).take();
        known.map_or_else(|| self.read_entries(folders), Ok)
    }

    /// Reads the index, with the Git program where the index has a form that only Git knows.
    fn read_entries(&self, folders: &GitFolders) -> Result<Vec<IndexEntry>, IndexError> {
        match self.parse_index_file(folders) {
            Err(IndexError::Invalid(reason @ InvalidIndex::Unsupported)) => {
                let listed = self
                    .program_of_repository()
                    .and_then(|git| git.run_with_input(&LIST_INDEX, &[], MAX_INDEX_LIST_BYTES));
                let entries = listed.and_then(|listed| {
                    repository::parse_listed_entries(&listed)
                        .ok_or_else(|| GitError::unexpected("ls-files", &listed))
                });
                entries.map_err(|error| IndexError::Git(reason, error))
            }
            parsed => parsed,
        }
    }

    fn parse_index_file(&self, folders: &GitFolders) -> Result<Vec<IndexEntry>, IndexError> {
        let bytes = match files::read_linked(&folders.index, MAX_INDEX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if !error.is_absent() => return Err(IndexError::File(error)),
            Err(_) if folders.is_index_named => return Err(IndexError::NamedAbsent),
            Err(_) if folders.has_objects() => return Err(IndexError::Absent),
            // A new repository has no index until the first `git add`.
            Err(_) => return Ok(Vec::new()),
        };
        repository::parse_index(&bytes, folders.hash_length()).map_err(IndexError::Invalid)
    }

    /// Turns a path relative to the working folder into one relative to the root. It does not resolve links.
    pub(super) fn path_from_root(&self, path: &Path) -> Option<PathBuf> {
        let here = std::env::current_dir().ok()?;
        let root = self.absolute_root();
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

    pub(super) fn contains_path(&self, target: &Path) -> bool {
        self.root_folder().canonicalize().is_ok_and(|root| target.starts_with(root))
    }

    /// Reads a file by its path from the root. A link that leads out of the repository is not followed. A file that a
    /// sparse checkout leaves out is read from the index.
    pub fn read_content(&self, path: &Path) -> FileContent {
        let full = self.root_folder().join(path);
        match full.canonicalize() {
            Ok(target) if !self.contains_path(&target) => {
                FileContent::Unreadable("it is a link to a file outside the repository".to_owned())
            }
            Ok(target) => match files::read_plain(&target, WINDOW) {
                Ok(bytes) => file_content(bytes),
                Err(error) => FileContent::Unreadable(error.to_string()),
            },
            // Not absent: what the link was to lead to was never checked
            Err(_) if full.symlink_metadata().is_ok_and(|found| found.is_symlink()) => {
                FileContent::Unreadable(FileError::DanglingLink.to_string())
            }
            Err(error) if !files::is_absent(&error) => FileContent::Unreadable(error.to_string()),
            Err(_) if !self.is_left_out(path) => FileContent::Absent,
            Err(_) => {
                let staged = self.open_objects().and_then(|mut objects| self.read_staged(&mut objects, path));
                staged.unwrap_or_else(|error| FileContent::Unreadable(error.to_string()))
            }
        }
    }

    /// Whether Git tracks the file and a sparse checkout leaves it out of the working tree.
    fn is_left_out(&self, path: &Path) -> bool {
        let Some(folders) = self.folders() else { return false };
        let entries = self.left_out.get_or_init(|| {
            // The list of the files reports why an index cannot be read
            let Ok(entries) = self.read_entries(folders) else { return Vec::new() };
            let left_out =
                entries.iter().filter(|entry| entry.is_left_out || entry.is_folder()).cloned().collect();
            *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = Some(entries);
            left_out
        });
        let path = display_path(path);
        let path = path.as_bytes();
        entries.iter().any(|entry| {
            // The path of a folder in a sparse index ends with a slash.
            if entry.is_folder() { path.starts_with(&entry.path) } else { entry.path == path }
        })
    }

    /// Reads a file that the command line names, relative to the working folder. A path in the repository is read as
    /// [`Self::read_content`] does; the user may name a file elsewhere.
    pub fn read_named(&self, path: &Path, limit: usize) -> FileContent {
        if let Some(inside) = self.path_from_root(path) {
            return self.read_content(&inside);
        }
        match files::read_linked(path, limit) {
            Ok(bytes) => FileContent::Bytes(bytes),
            Err(error) if error.is_absent() => FileContent::Absent,
            Err(error) => FileContent::Unreadable(error.to_string()),
        }
    }

    /// Checks that a report may be written to a path relative to the working folder. In the repository nothing is
    /// written through a link, which a pull request could have added; elsewhere a link or a pipe such as `/dev/stdout`
    /// may be meant.
    ///
    /// # Errors
    /// The reason.
    pub fn ensure_writable(&self, path: &Path) -> Result<(), FileError> {
        let Some(inside) = self.path_in_repository(path) else { return Ok(()) };
        self.ensure_no_link(&inside)?;
        // The path as it was given may have `..` behind a link.
        // A folder that is a link has another parent than its name says.
        if path.components().any(|part| part == Component::ParentDir) && !self.is_same_place(path, &inside) {
            return Err(FileError::IsLink);
        }
        files::ensure_replaceable(path)
    }

    /// Whether the folder of a path relative to the working folder is that of a path from the root.
    fn is_same_place(&self, path: &Path, inside: &Path) -> bool {
        let full = self.absolute_root().join(inside);
        let here = std::env::current_dir().unwrap_or_default().join(path);
        match (here.parent().map(Path::canonicalize), full.parent().map(Path::canonicalize)) {
            (Some(Ok(one)), Some(Ok(other))) => one == other,
            _ => false,
        }
    }

    /// Prepares a new file of the repository, and creates its folder. As in [`Self::ensure_writable`], not through a link.
    ///
    /// # Errors
    /// The reason.
    pub fn prepare_new(&self, path: &Path, text: &str) -> Result<PreparedFile, FileError> {
        self.ensure_not_linked(path)?;
        let full = self.absolute_root().join(path);
        files::create_folder_of(&full).map_err(FileError::Io)?;
        PreparedFile::create(&full, text)
    }

    /// Prepares the new content of an existing file of the repository. As in [`Self::prepare_new`], not through a link.
    ///
    /// # Errors
    /// The reason.
    pub fn prepare_change(&self, path: &Path, text: &str) -> Result<PreparedFile, FileError> {
        self.ensure_not_linked(path)?;
        PreparedFile::replace(&self.absolute_root().join(path), text)
    }

    /// Checks that a path from the root leads through no link of the repository.
    ///
    /// # Errors
    /// The reason.
    pub fn ensure_not_linked(&self, path: &Path) -> Result<(), FileError> {
        let full = self.absolute_root().join(path);
        self.path_in_repository(&full).map_or(Ok(()), |inside| self.ensure_no_link(&inside))
    }

    /// Returns the path from the root, also where the path reaches the repository by another name of its folder.
    fn path_in_repository(&self, path: &Path) -> Option<PathBuf> {
        if let Some(inside) = self.path_from_root(path) {
            return Some(inside);
        }
        let folder = std::env::current_dir().ok()?.join(path).parent()?.canonicalize().ok()?;
        let root = self.root_folder().canonicalize().ok()?;
        Some(folder.strip_prefix(root).ok()?.join(path.file_name()?))
    }

    /// Refuses a path from the root if it, or a folder on the way to it, is a link.
    fn ensure_no_link(&self, path: &Path) -> Result<(), FileError> {
        let mut step = self.absolute_root();
        for part in path.components() {
            step.push(part);
            match step.symlink_metadata() {
                Ok(found) if found.is_symlink() => return Err(FileError::IsLink),
                Ok(_) => {}
                Err(error) if files::is_absent(&error) => return Ok(()),
                Err(error) => return Err(FileError::Io(error)),
            }
        }
        Ok(())
    }

    /// Reads a file of the Git index by its path from the root.
    ///
    /// # Errors
    /// Git's.
    pub fn read_staged(&self, objects: &mut ObjectReader, path: &Path) -> Result<FileContent, GitError> {
        // With the stage: Git would take the path `1:x` for another stage of `x`.
        let name = format!(":0:{}", display_path(path));
        let content = objects.read_object(&name, |content, _| {
            let mut bytes = Vec::new();
            // One byte more than is accepted, to notice a file that is too large.
            content.take(WINDOW as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
        })?;
        Ok(content.map_or(FileContent::Absent, file_content))
    }

    /// Whether the clone has only a part of the history.
    pub fn is_shallow(&self) -> bool {
        self.folders().is_some_and(GitFolders::is_shallow)
    }

    /// Checks that there is a repository and that Git works in it.
    ///
    /// # Errors
    /// Git's.
    pub fn ensure_git_works(&self) -> Result<(), GitError> {
        self.program_of_repository()?.ensure_usable()
    }

    fn program_of_repository(&self) -> Result<&GitProgram, GitError> {
        match &self.discovery {
            Discovery::NoRepository => Err(GitError::NoRepository),
            Discovery::Broken(reason) => Err(GitError::BrokenRepository(reason.clone())),
            Discovery::Found(folders) => {
                // Before Git runs: it opens the files of its folders without a look at what they are.
                match self.blocking.get_or_init(|| folders.find_blocking_file()) {
                    None => Ok(&self.program),
                    Some(file) => Err(GitError::BrokenRepository(format!(
                        "{} is a pipe or a device, which Git would wait for",
                        file.display()
                    ))),
                }
            }
        }
    }

    /// Starts `git cat-file --batch` in this repository.
    ///
    /// # Errors
    /// There is no repository, or Git cannot be started.
    pub fn open_objects(&self) -> Result<ObjectReader, GitError> {
        ObjectReader::spawn_reader(self.program_of_repository()?)
    }

    /// As [`GitProgram::staged_blobs`].
    ///
    /// # Errors
    /// Git's.
    pub fn staged_blobs(&self, paths: &[PathBuf]) -> Result<StagedBlobs, GitError> {
        let paths = self.path_list(paths);
        self.program_of_repository()?.staged_blobs(&paths.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// As [`GitProgram::history_blobs`].
    ///
    /// # Errors
    /// Git's.
    pub fn history_blobs(&self, paths: &[PathBuf]) -> Result<Vec<GitBlob>, GitError> {
        let paths = self.path_list(paths);
        self.program_of_repository()?.history_blobs(&paths.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// As [`GitProgram::first_commits`].
    ///
    /// # Errors
    /// Git's.
    pub fn first_commits(&self, wanted: &[&str]) -> Result<HashMap<String, String>, GitError> {
        self.program_of_repository()?.first_commits(wanted)
    }

    fn path_list(&self, paths: &[PathBuf]) -> Vec<String> {
        paths
            .iter()
            .map(|path| {
                self.path_from_root(path).map_or_else(
                    || path.display().to_string(),
                    // `literal`: Git would take a `*` in the name of a file for a pattern
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
