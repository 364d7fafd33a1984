//! Finds what else in the repository uses a user's key, or may: files that name it, the configuration of other CI services,
//! and Terraform. While there is any, the key is not retired.

use std::collections::BTreeSet;
use std::path::Path;

use crate::commands::terraform_files::find_keys_in_worktree;
use crate::migrate::KeySecrets;
use crate::repository::{
    FileContent, KeyMaterial, ManagedKeys, ScannedFile, Scanner, is_workflow, list_named_keys,
};
use crate::system::files;
use crate::system::scan_files::scan_items;
use crate::system::worktree::WorkTree;

/// The largest file that is searched, as for a retirement.
const MAX_FILE_BYTES: usize = 100 * 1024 * 1024;

/// Lists the tracked files that keep a user's key from being retired, each with the reason. `keys`: the IDs, if they are known.
pub fn list_files_with_key(tree: &WorkTree, user: &str, keys: Option<&BTreeSet<String>>) -> Vec<String> {
    let (listing, scanner) = (tree.list_tracked_files(), Scanner::new());
    let scan = scan_items(&scanner, &listing.items);
    let (mut uses, mut explained) = (Vec::new(), BTreeSet::new());
    for file in &scan.found {
        if let Some(text) = explain_file(file, keys) {
            explained.insert(&*file.file);
            uses.push(text);
        }
    }
    let keys = keys.into_iter().flatten().collect::<BTreeSet<&String>>();
    for item in listing.items.iter().filter(|item| !keys.is_empty() && !explained.contains(&*item.shown)) {
        // As a retirement looks for them: also for what a scan for leaks takes for a sample
        match files::read_plain(&item.path, MAX_FILE_BYTES) {
            Ok(bytes) => {
                if list_named_keys(&scanner, &bytes).iter().any(|key| keys.contains(key)) {
                    uses.push(format!("{} names the key", item.shown));
                }
            }
            Err(reason) if reason.is_absent() => {}
            Err(reason) => {
                uses.push(format!("{} may name the key, and cannot be read: {reason}", item.shown));
            }
        }
    }
    let absent = listing.absent + listing.left_out + scan.absent + scan.left_out;
    if absent > 0 {
        uses.push(format!(
            "{absent} tracked files, or folders of them, are not in the working tree and may name the key: check them out"
        ));
    }
    uses.extend(explain_managed_keys(&find_keys_in_worktree(tree), user));
    for (file, reason) in scan.faults.iter().chain(&listing.faults) {
        uses.push(format!("{file} may name the key, and cannot be read: {reason}"));
    }
    uses
}

/// Lists Dependabot's configuration files that read a secret of the key's names: Dependabot has secrets of its own, and no
/// role.
pub fn list_dependabot_files(tree: &WorkTree, secrets: &KeySecrets) -> Vec<String> {
    let mut files = Vec::new();
    for path in [".github/dependabot.yml", ".github/dependabot.yaml"] {
        match tree.read_content(Path::new(path)) {
            FileContent::Bytes(bytes) => {
                let reads = secrets.read(&String::from_utf8_lossy(&bytes));
                let named = reads.names.iter().find(|name| secrets.has_name(name));
                files.extend(
                    named.map(|name| format!("{path} may use it: Dependabot reads its own secret `{name}`")),
                );
            }
            FileContent::Unreadable(reason) => {
                files.push(format!("{path} may use it, and cannot be read: {reason}"));
            }
            FileContent::Absent => {}
        }
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
