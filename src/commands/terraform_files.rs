//! Reads the Terraform files of the repository for `check` and `plan`: only the folders in which a file may manage an access
//! key.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository::{FileContent, ManagedKeys, find_managed_keys, is_terraform_input};
#[cfg(feature = "online")]
use crate::repository::{is_terraform, mentions_access_key};
use crate::system::worktree::WorkTree;

/// Finds the access keys that Terraform manages in the folders of these files, which may manage one.
pub fn read_managed_keys(
    files: &[&str],
    tree: &WorkTree,
    read: &dyn Fn(&Path) -> FileContent,
) -> ManagedKeys {
    if files.is_empty() {
        return ManagedKeys::default();
    }
    let folders: BTreeSet<&str> = files.iter().map(|file| folder_of(file)).collect();
    let mut paths: BTreeSet<String> = files.iter().map(|file| (*file).to_owned()).collect();
    for item in tree.list_tracked_files().items {
        if is_terraform_input(&item.shown) && folders.contains(folder_of(&item.shown)) {
            paths.insert(item.shown);
        }
    }
    let mut contents = Vec::new();
    for path in paths {
        // The scan reports a file that cannot be read.
        if let FileContent::Bytes(bytes) = read(Path::new(&path)) {
            contents.push((path, bytes));
        }
    }
    find_managed_keys(&contents)
}

/// Finds the access keys that Terraform manages in the working tree.
#[cfg(feature = "online")]
pub fn find_keys_in_worktree(tree: &WorkTree) -> ManagedKeys {
    let mut files = Vec::new();
    for item in tree.list_tracked_files().items.into_iter().filter(|item| is_terraform(&item.shown)) {
        if let FileContent::Bytes(bytes) = tree.read_content(Path::new(&item.shown))
            && mentions_access_key(&bytes)
        {
            files.push(item.shown);
        }
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    read_managed_keys(&names, tree, &|path| tree.read_content(path))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
