//! Lists the files that `check` and `init` scan: those that Git tracks, those that the command line names, or those of a
//! folder without a repository.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use super::git_folder::Discovery;
use super::git_paths::{display_path, path_of};
use super::threads::count_threads;
use super::walk;
use super::worktree::WorkTree;
use crate::repository::IndexEntry;

/// How many forged entries of an index are named.
const MAX_NAMED_ENTRIES: usize = 100;
/// Fewer entries than this are listed by one thread.
const MIN_ENTRIES_FOR_THREADS: usize = 2048;

/// A file to scan: its path, and the name for reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanItem {
    pub shown: String,
    pub path: PathBuf,
    pub origin: ItemOrigin,
}

/// Why a file is scanned, which decides what it means that it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemOrigin {
    /// The command line names it, or it was found in a folder.
    Given,
    /// Git tracks it.
    Tracked,
    /// Git tracks it, and a sparse checkout leaves it out.
    LeftOut,
}

/// The files to scan.
#[derive(Debug, Default)]
pub struct FileListing {
    pub items: Vec<ScanItem>,
    /// The paths that could not be listed, each with the reason.
    pub faults: Vec<(String, String)>,
    /// What the list leaves out.
    pub remarks: Vec<String>,
    /// The tracked symbolic links, which are not followed.
    pub links: Vec<String>,
    /// The tracked files that are not in the working tree.
    pub absent: usize,
    /// The tracked files and folders that a sparse checkout leaves out.
    pub left_out: usize,
}

impl WorkTree {
    /// Lists the tracked files. Without a repository, lists the files that no `.gitignore` ignores. They are listed as
    /// well where Git's list cannot be read, with a fault: tracked files may be missing from them.
    pub fn list_tracked_files(&self) -> FileListing {
        // The path of the root
        let all = [PathBuf::new()];
        self.list_index(&all).unwrap_or_else(|fault| self.walk_folders(&all, fault))
    }

    /// What Git's list has in these folders, which are paths from the root.
    ///
    /// # Errors
    /// There is no such list; with the fault, if it is one.
    fn list_index(&self, folders: &[PathBuf]) -> Result<FileListing, Option<(String, String)>> {
        let found = match &self.discovery {
            Discovery::NoRepository => return Err(None),
            Discovery::Broken(reason) => return Err(Some(("the repository".to_owned(), reason.clone()))),
            Discovery::Found(found) => found,
        };
        match self.take_entries(found) {
            Ok(entries) => Ok(self.list_entries(&entries, folders)),
            Err(reason) => Err(Some(("the Git index".to_owned(), reason.to_string()))),
        }
    }

    /// Lists what is in these folders where there is no list of Git's.
    fn walk_folders(&self, folders: &[PathBuf], fault: Option<(String, String)>) -> FileListing {
        let mut listed = FileListing::default();
        for folder in folders {
            listed.merge_listing(self.walk_inside(folder));
        }
        if let Some(fault) = fault {
            listed.faults.push(fault);
            listed.remarks.push("checked all files that no .gitignore ignores".to_owned());
        }
        listed
    }

    /// Turns the entries in these folders into files to scan. Many are looked at by several threads: for each folder the
    /// system is asked once what it is.
    fn list_entries(&self, entries: &[IndexEntry], wanted: &[PathBuf]) -> FileListing {
        let size = entries.len().div_ceil(count_threads(entries.len(), MIN_ENTRIES_FOR_THREADS)).max(1);
        let parts = std::thread::scope(|scope| {
            let mut parts = entries.chunks(size);
            let first = parts.next().unwrap_or_default();
            let others: Vec<_> =
                parts.map(|part| scope.spawn(move || EntryListing::list(&self.root, part, wanted))).collect();
            // This thread works as well, in place of waiting.
            let first = EntryListing::list(&self.root, first, wanted);
            let join = |thread: ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            std::iter::once(first).chain(others.into_iter().map(join)).collect::<Vec<_>>()
        });
        let mut all = EntryListing::default();
        parts.into_iter().for_each(|part| all.merge(part));
        all.finish()
    }

    /// As [`Self::walk_folder`], for a path from the root.
    fn walk_inside(&self, folder: &Path) -> FileListing {
        let root = self.root_folder();
        if folder.as_os_str().is_empty() {
            self.walk_folder(root)
        } else {
            self.walk_folder(&root.join(folder))
        }
    }

    /// Lists the files in a folder that no `.gitignore` ignores; other repositories in it are left out.
    fn walk_folder(&self, folder: &Path) -> FileListing {
        let root = if folder.starts_with(self.root_folder()) { self.root_folder() } else { folder };
        let walked = walk::walk_folder(root, folder);
        let mut listed = FileListing { faults: walked.faults, ..FileListing::default() };
        for path in walked.files {
            let plain = path.strip_prefix(self.root_folder()).unwrap_or(&path);
            listed.items.push(ScanItem { shown: display_path(plain), path, origin: ItemOrigin::Given });
        }
        listed
    }

    /// Lists the files that the command line names; a folder means the tracked files in it.
    pub fn list_given_paths(&self, paths: &[PathBuf]) -> FileListing {
        let mut listed = FileListing::default();
        let mut folders = Vec::new();
        for path in paths {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => match self.path_from_root(path) {
                    Some(folder) => folders.push(folder),
                    None => listed.merge_listing(self.walk_folder(path)),
                },
                Ok(metadata) if metadata.is_symlink() => match path.canonicalize() {
                    Ok(target) if target.is_file() && self.contains_path(&target) => {
                        listed.items.push(ScanItem { path: target, ..self.scan_item(path) });
                    }
                    _ => listed.remarks.push(format!(
                        "{} is a link to something other than a file of the repository; it was not followed",
                        path.display()
                    )),
                },
                Ok(_) => listed.items.push(self.scan_item(path)),
                Err(error) => listed.faults.push((path.display().to_string(), error.to_string())),
            }
        }
        if !folders.is_empty() {
            folders.sort();
            folders.dedup();
            listed.merge_listing(self.list_folders(&folders));
        }
        listed.items.sort();
        // A file that is named twice, also by its folder, is scanned once.
        listed.items.dedup_by(|one, other| one.shown == other.shown);
        listed
    }

    /// Lists the tracked files in these folders, which are paths from the root. Of one that has none, lists all files that
    /// no `.gitignore` ignores.
    fn list_folders(&self, folders: &[PathBuf]) -> FileListing {
        let mut listed = match self.list_index(folders) {
            Ok(listed) => listed,
            Err(fault) => return self.walk_folders(folders, fault),
        };
        for folder in folders {
            if !listed.items.iter().any(|item| Path::new(&item.shown).starts_with(folder)) {
                listed.merge_listing(self.walk_inside(folder));
            }
        }
        listed
    }

    fn scan_item(&self, path: &Path) -> ScanItem {
        let shown =
            self.path_from_root(path).map_or_else(|| path.display().to_string(), |path| display_path(&path));
        ScanItem { shown, path: path.to_owned(), origin: ItemOrigin::Given }
    }
}

impl FileListing {
    /// Adds the files of other folders, and what their list leaves out.
    fn merge_listing(&mut self, other: Self) {
        self.items.extend(other.items);
        self.faults.extend(other.faults);
        self.remarks.extend(other.remarks);
        self.links.extend(other.links);
        self.absent += other.absent;
        self.left_out += other.left_out;
    }
}

/// The files to scan of a part of the index.
#[derive(Default)]
struct EntryListing {
    listing: FileListing,
    submodules: usize,
    outside: usize,
}

impl EntryListing {
    /// Lists the entries in the folders that are wanted. A file in a folder that has become a link, or is gone, is only
    /// counted.
    fn list(root: &Path, entries: &[IndexEntry], wanted: &[PathBuf]) -> Self {
        let mut listed = Self::default();
        let mut folders = RealFolders { root, known: HashMap::new(), last: None };
        for entry in entries {
            // Before anything is opened: an index can be forged, and would lead out of the repository.
            if !entry.is_inside() {
                listed.add_outside(entry);
            } else if is_wanted(entry, wanted) {
                listed.add_entry(entry, &mut folders);
            }
        }
        listed
    }

    fn add_outside(&mut self, entry: &IndexEntry) {
        self.outside += 1;
        if self.outside <= MAX_NAMED_ENTRIES {
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            self.listing.faults.push((name, "the Git index names a file outside the repository".to_owned()));
        }
    }

    fn add_entry(&mut self, entry: &IndexEntry, folders: &mut RealFolders<'_>) {
        let listing = &mut self.listing;
        if entry.is_folder() {
            listing.left_out += 1;
        } else if entry.is_file() || folders.has_become_file(entry) {
            let origin = if entry.is_left_out { ItemOrigin::LeftOut } else { ItemOrigin::Tracked };
            if folders.contains(folder_of(&entry.path)) {
                // Git separates folders by `/` on every system, as reports do
                let shown = String::from_utf8_lossy(&entry.path).into_owned();
                listing.items.push(ScanItem { shown, path: folders.root.join(path_of(&entry.path)), origin });
            } else if origin == ItemOrigin::LeftOut {
                listing.left_out += 1;
            } else {
                listing.absent += 1;
            }
        } else if entry.is_submodule() {
            self.submodules += 1;
        } else if entry.is_link() {
            listing.links.push(String::from_utf8_lossy(&entry.path).into_owned());
        } else {
            listing.absent += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.listing.merge_listing(other.listing);
        self.submodules += other.submodules;
        self.outside += other.outside;
    }

    /// The list, with what is said about the entries that are not in it.
    fn finish(self) -> FileListing {
        let mut listing = self.listing;
        // Each part names as many.
        listing.faults.truncate(MAX_NAMED_ENTRIES);
        if self.outside > MAX_NAMED_ENTRIES {
            let reason =
                format!("it names {} more files outside the repository", self.outside - MAX_NAMED_ENTRIES);
            listing.faults.push(("the Git index".to_owned(), reason));
        }
        if self.submodules > 0 {
            let remark = format!("{} submodule(s) were not checked: run keytide in each", self.submodules);
            listing.remarks.push(remark);
        }
        listing
    }
}

/// Whether an entry is in one of these folders, or stands for the files of a folder around one. A submodule that is named
/// itself is read.
fn is_wanted(entry: &IndexEntry, folders: &[PathBuf]) -> bool {
    // Each is below the root, whose path is empty
    if folders.iter().any(|folder| folder.as_os_str().is_empty()) {
        return true;
    }
    let path = path_of(&entry.path);
    folders.iter().any(|folder| {
        let is_inside = path.starts_with(folder) && !(entry.is_submodule() && path == *folder);
        is_inside || (entry.is_folder() && folder.starts_with(&path))
    })
}

/// The folder of a path of the index; empty for the root.
fn folder_of(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(&[], |end| &path[..end])
}

/// Finds out which folders of a working tree are folders, and not links to other places. Each is looked at once.
struct RealFolders<'a> {
    root: &'a Path,
    known: HashMap<Vec<u8>, bool>,
    /// The last answer: an index is sorted, so that the files of a folder follow each other.
    last: Option<(Vec<u8>, bool)>,
}

impl RealFolders<'_> {
    /// Whether a path of the index below the root, and each one above it, is a folder.
    fn contains(&mut self, folder: &[u8]) -> bool {
        match &self.last {
            _ if folder.is_empty() => true,
            Some((last, is_real)) if last == folder => *is_real,
            _ => {
                let is_real = self.look_up(folder);
                self.last = Some((folder.to_owned(), is_real));
                is_real
            }
        }
    }

    /// Whether an entry for something else, such as a link or a submodule, has a regular file in its place.
    fn has_become_file(&mut self, entry: &IndexEntry) -> bool {
        let path = self.root.join(path_of(&entry.path));
        self.contains(folder_of(&entry.path)) && path.symlink_metadata().is_ok_and(|found| found.is_file())
    }

    fn look_up(&mut self, folder: &[u8]) -> bool {
        if let Some(is_real) = self.known.get(folder) {
            return *is_real;
        }
        let above = folder_of(folder);
        // Most often only the last one is new
        let known = if self.known.get(above) == Some(&true) { above.len() + 1 } else { 0 };
        let ends = memchr::memchr_iter(b'/', &folder[known..]).map(|end| known + end).chain([folder.len()]);
        for end in ends {
            let step = &folder[..end];
            let is_real = self.known.get(step).copied().unwrap_or_else(|| {
                let metadata = self.root.join(path_of(step)).symlink_metadata();
                let is_real = metadata.is_ok_and(|metadata| metadata.is_dir());
                self.known.insert(step.to_owned(), is_real);
                is_real
            });
            // What is below is not remembered: a forged index can name more folders than fit into memory.
            if !is_real {
                return false;
            }
        }
        true
    }
}
