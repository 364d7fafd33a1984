//! Reads the Terraform files of the repository for `check`, which knows the folders that may manage an access key from its
//! scan, and for `plan`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::diagnostic::Position;
use crate::repository::{
    FileContent, ManagedKeys, UnreadConfig, find_managed_keys, folder_of, is_terraform, is_terraform_input,
};
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
    find_keys_in(paths, read)
}

/// Finds the access keys that Terraform manages in the working tree.
#[cfg(feature = "online")]
pub fn find_keys_in_worktree(tree: &WorkTree) -> ManagedKeys {
    let paths = tree.list_tracked_files().items.into_iter().map(|item| item.shown);
    let paths = paths.filter(|path| is_terraform_input(path));
    find_keys_in(paths, &|path| tree.read_content(path))
}

/// Finds the keys in these files. One that cannot be read, as it is too large, may manage some.
fn find_keys_in(paths: impl IntoIterator<Item = String>, read: &dyn Fn(&Path) -> FileContent) -> ManagedKeys {
    let (mut contents, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        match read(Path::new(&path)) {
            FileContent::Bytes(bytes) => contents.push((path, bytes)),
            FileContent::Unreadable(message) if is_terraform(&path) => {
                unread.push(UnreadConfig { file: path, at: Position::START, message });
            }
            FileContent::Unreadable(_) | FileContent::Absent => {}
        }
    }
    let mut found = find_managed_keys(&contents);
    found.unread.extend(unread);
    found
}
