//! Finds what else in the repository uses a user's key, or may: files that name it, the configuration of other CI services,
//! and Terraform. While there is any, the key is not retired.

use std::collections::BTreeSet;

use crate::commands::terraform_files::find_keys_in_worktree;
use crate::repository::{KeyMaterial, ManagedKeys, ScannedFile, Scanner, is_workflow};
use crate::system::scan_files::scan_items;
use crate::system::worktree::WorkTree;

/// Lists the tracked files that keep a user's key from being retired, each with the reason. `keys`: the IDs, if they are known.
pub fn list_files_with_key(tree: &WorkTree, user: &str, keys: Option<&BTreeSet<String>>) -> Vec<String> {
    let listing = tree.list_tracked_files();
    let scan = scan_items(&Scanner::new(), &listing.items);
    let mut files: Vec<String> = scan.found.iter().flat_map(|file| explain_file(file, keys)).collect();
    files.extend(explain_managed_keys(&find_keys_in_worktree(tree), user));
    for (file, reason) in scan.faults.iter().chain(&listing.faults) {
        files.push(format!("{file} may name the key, and cannot be read: {reason}"));
    }
    files
}

/// The key by its ID, else the first place at which another CI service passes a key, whose secrets are not known here.
fn explain_file(file: &ScannedFile, keys: Option<&BTreeSet<String>>) -> Option<String> {
    for found in &file.matches {
        let id = match &found.material {
            KeyMaterial::KeyId(id) => id,
            KeyMaterial::Secret { beside: Some(id), .. } => id,
            KeyMaterial::Secret { beside: None, .. } => continue,
        };
        if keys.is_some_and(|keys| keys.contains(id.as_str())) {
            return Some(format!("{}:{}:{} names the key", file.file, found.at.line, found.at.column));
        }
    }
    // Those of GitHub are what is migrated
    if is_workflow(&file.file) {
        return None;
    }
    let passed = file.static_keys.first()?;
    let (line, column) = (passed.at.line, passed.at.column);
    Some(format!("{}:{line}:{column} may use it: it passes an access key of AWS", file.file))
}

fn explain_managed_keys(managed: &ManagedKeys, user: &str) -> Vec<String> {
    let mut places = Vec::new();
    for key in &managed.keys {
        let at = format!("{}:{}:{}", key.file, key.at.line, key.at.column);
        if key.users.iter().any(|named| named == user) {
            places.push(format!("{at} manages the key with Terraform (`{}`)", key.address));
        } else if key.is_undecided {
            places.push(format!("{at} may manage the key with Terraform (`{}`)", key.address));
        }
    }
    for unread in &managed.unread {
        places.push(format!(
            "{}:{}:{} may manage the key with Terraform, and cannot be read ({})",
            unread.file, unread.at.line, unread.at.column, unread.message
        ));
    }
    places
}
