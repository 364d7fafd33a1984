//! Finds the folders of a repository as Git does, for [`super::worktree`]: `.git` above the working folder, and the
//! variables that Git passes to hooks.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use super::environment::ProcessEnvironment;
use super::files::{self, FileError};
use super::git::GitProgram;
use crate::repository::config_value;

/// The largest file of Git's own settings that is read.
const MAX_SETTINGS_BYTES: usize = 1024 * 1024;

/// The folders of a repository that Git reads for keytide, beside the files at its top.
const READ_FOLDERS: [&str; 4] = ["info", "objects", "refs", "reftable"];

/// The folders and files in which Git keeps a repository.
#[derive(Debug)]
pub struct GitFolders {
    /// The working tree's own folder of Git.
    git: PathBuf,
    /// The folder that the working trees of one repository share.
    pub common: PathBuf,
    pub index: PathBuf,
    /// Whether GIT_INDEX_FILE names the index.
    pub is_index_named: bool,
    /// The text of the file `config`.
    pub config: String,
}

/// Why Git's folder cannot be used.
#[derive(Debug, thiserror::Error)]
enum UnusableFolder {
    #[error("{} is not a repository", .0.display())]
    NoRepository(PathBuf),
    #[error("{} has a file `commondir` and is no working tree of {}", .git.display(), .common.display())]
    ForeignCommonFolder { git: PathBuf, common: PathBuf },
    #[error("{} cannot be read: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: FileError },
}

/// What was found.
#[derive(Debug)]
pub enum Discovery {
    NoRepository,
    /// There is a repository, or a variable names one, and it cannot be read.
    Broken(String),
    Found(GitFolders),
}

/// The root of the working tree, and the repository in it.
#[derive(Debug)]
pub struct Location {
    /// Absolute; the working folder where there is no repository.
    pub root: PathBuf,
    pub discovery: Discovery,
    pub program: GitProgram,
}

/// Finds the repository of the folder `here`.
pub fn find_location(environment: &ProcessEnvironment, here: &Path) -> Location {
    let is_named = environment.get("GIT_DIR").is_some();
    let found = match environment.get("GIT_DIR") {
        Some(named) => Some((here.to_owned(), here.join(named))),
        None => find_above(environment, here),
    };
    let Some((root, git)) = found else { return location_without_repository(here) };
    let named_root = environment.get("GIT_WORK_TREE").map(|named| here.join(named));
    let mut root = named_root.clone().unwrap_or(root);
    let mut variables = Vec::new();
    let discovery = match read_folders(environment, here, &git) {
        Err(reason) => Discovery::Broken(reason.to_string()),
        Ok(mut folders) => {
            let owned_root = folders.find_root(here);
            let other = owned_root.filter(|owned| named_root.is_none() && !is_same_folder(owned, &root));
            if let Some(other) = other.as_ref().filter(|_| is_named) {
                root.clone_from(other);
            }
            // As in Git, the file is relative to the root and not to the working folder.
            if let Some(index) = environment.get("GIT_INDEX_FILE") {
                folders.index = root.join(index);
                folders.is_index_named = true;
                variables.push(("GIT_INDEX_FILE", folders.index.clone()));
            }
            if is_named {
                variables.push(("GIT_DIR", folders.git.clone()));
            }
            if other.is_some() && !is_named {
                // Only who sets a variable decides that files elsewhere are read.
                Discovery::Broken("core.worktree of its configuration names another folder".to_owned())
            } else {
                Discovery::Found(folders)
            }
        }
    };
    // Git runs in the root: what is relative to the working folder would lead elsewhere.
    for name in ["GIT_WORK_TREE", "GIT_COMMON_DIR"] {
        variables.extend(environment.get(name).map(|named| (name, here.join(named))));
    }
    Location { program: GitProgram { folder: root.clone(), variables }, root, discovery }
}

fn location_without_repository(here: &Path) -> Location {
    let discovery = match here.ancestors().find(|folder| is_git_folder(folder)) {
        Some(bare) => Discovery::Broken(format!("{} is a repository without files", bare.display())),
        None => Discovery::NoRepository,
    };
    let program = GitProgram { folder: here.to_owned(), variables: Vec::new() };
    Location { root: here.to_owned(), discovery, program }
}

/// Looks for `.git` in the working folder and above it. Returns its folder and itself.
fn find_above(environment: &ProcessEnvironment, here: &Path) -> Option<(PathBuf, PathBuf)> {
    let ceilings = environment.get("GIT_CEILING_DIRECTORIES").unwrap_or_default();
    let ceilings: Vec<PathBuf> = std::env::split_paths(ceilings).collect();
    let mut broken = None;
    for folder in here.ancestors() {
        // As in Git, the working folder itself is searched even if it is a ceiling.
        if folder != here && ceilings.iter().any(|ceiling| ceiling == folder) {
            break;
        }
        let git = folder.join(".git");
        // A folder that is no repository does not hide the one around it. A file ends the search, as in Git.
        if is_git_folder(&git) || git.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Some((folder.to_owned(), git));
        }
        if broken.is_none() && git.symlink_metadata().is_ok() {
            broken = Some((folder.to_owned(), git));
        }
    }
    broken
}

fn read_folders(
    environment: &ProcessEnvironment,
    here: &Path,
    git: &Path,
) -> Result<GitFolders, UnusableFolder> {
    let git = resolve_git_file(git)?;
    if !is_git_folder(&git) {
        return Err(UnusableFolder::NoRepository(git));
    }
    let common = match environment.get("GIT_COMMON_DIR") {
        Some(named) => here.join(named),
        None => match read_settings(&git.join("commondir"))? {
            Some(text) => find_common_folder(&git, text.trim())?,
            None => git.clone(),
        },
    };
    let config = read_settings(&common.join("config"))?.unwrap_or_default();
    Ok(GitFolders { index: git.join("index"), is_index_named: false, git, common, config })
}

/// Returns the folder that a linked working tree shares with its repository. From any other folder Git would read the
/// history of that folder in place of the repository's own.
fn find_common_folder(git: &Path, named: &str) -> Result<PathBuf, UnusableFolder> {
    let common = git.join(named);
    let is_linked = git.canonicalize().is_ok_and(|git| {
        git.parent().is_some_and(|parent| is_same_folder(parent, &common.join("worktrees")))
    });
    if is_linked {
        Ok(common)
    } else {
        Err(UnusableFolder::ForeignCommonFolder { git: git.to_owned(), common })
    }
}

/// Follows the file that stands in place of the folder `.git` in a worktree and in a submodule.
fn resolve_git_file(git: &Path) -> Result<PathBuf, UnusableFolder> {
    if git.is_dir() {
        return Ok(git.to_owned());
    }
    let text = read_settings(git)?.unwrap_or_default();
    let Some(named) = text.trim().strip_prefix("gitdir:") else {
        return Err(UnusableFolder::NoRepository(git.to_owned()));
    };
    Ok(git.parent().unwrap_or(git).join(named.trim()))
}

/// Reads a small file; `None` when there is none.
fn read_settings(path: &Path) -> Result<Option<String>, UnusableFolder> {
    match files::read_linked(path, MAX_SETTINGS_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_absent() => Ok(None),
        Err(reason) => Err(UnusableFolder::Unreadable { path: path.to_owned(), reason }),
    }
}

/// Whether Git takes the folder for a repository.
fn is_git_folder(git: &Path) -> bool {
    // A linked working tree has no objects and references of its own.
    let has_objects = files::is_present(&git.join("objects")) && files::is_present(&git.join("refs"));
    files::is_present(&git.join("HEAD")) && (files::is_present(&git.join("commondir")) || has_objects)
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether to open the file can wait. A socket cannot be opened, and Git's file system monitor leaves one.
#[cfg(unix)]
fn is_blocking(path: &Path, kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = if kind.is_symlink() { path.metadata().map(|target| target.file_type()) } else { Ok(kind) };
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_block_device())
}

#[cfg(not(unix))]
fn is_blocking(_: &Path, _: FileType) -> bool {
    false
}

impl GitFolders {
    /// Returns the root that the configuration names, or that the folder of Git belongs to.
    fn find_root(&self, here: &Path) -> Option<PathBuf> {
        let named = config_value(&self.config, "core", "worktree").map(|named| self.git.join(named));
        named.or_else(|| self.find_top(here))
    }

    /// Returns the root of the working tree that belongs to the folder of Git, if `here` is in it.
    ///
    /// Git passes GIT_DIR alone to the hooks of a linked working tree, and takes the working folder for the root. A hook
    /// that changes the folder would see none of the tracked files.
    fn find_top(&self, here: &Path) -> Option<PathBuf> {
        let linked = read_settings(&self.git.join("gitdir")).ok().flatten();
        let file = linked.map_or_else(|| self.git.clone(), |text| self.git.join(text.trim()));
        if file.file_name()? != ".git" {
            return None;
        }
        let top = file.parent()?.canonicalize().ok()?;
        if here.canonicalize().ok()?.starts_with(&top) { Some(top) } else { None }
    }

    /// The length of an object ID in bytes.
    pub fn hash_length(&self) -> usize {
        match config_value(&self.config, "extensions", "objectformat") {
            Some(format) if format.eq_ignore_ascii_case("sha256") => 32,
            _ => 20,
        }
    }

    /// Whether the clone has only a part of the history.
    pub fn is_shallow(&self) -> bool {
        files::is_present(&self.common.join("shallow"))
    }

    /// Finds a pipe or a device among the files that Git opens: it would wait for it.
    pub fn find_blocking_file(&self) -> Option<PathBuf> {
        let mut pending = vec![(self.git.clone(), true), (self.common.clone(), true)];
        while let Some((folder, is_top)) = pending.pop() {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let (name, path) = (entry.file_name(), entry.path());
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    if !is_top || READ_FOLDERS.iter().any(|read| name == *read) {
                        pending.push((path, false));
                    }
                } else if is_blocking(&path, kind) {
                    return Some(path);
                }
            }
        }
        None
    }

    /// Whether the repository holds objects: then it had an index once, or was cloned without one.
    pub fn has_objects(&self) -> bool {
        let objects = self.common.join("objects");
        // What cannot be read is not known to be empty, and an index that is missing then is a fault.
        let Ok(entries) = objects.read_dir() else { return true };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let holds_objects = if name == "pack" {
                entry.path().read_dir().is_ok_and(|mut packs| packs.next().is_some())
            } else {
                name != "info"
            };
            if holds_objects {
                return true;
            }
        }
        false
    }
}
