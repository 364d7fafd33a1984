//! Finds what else in the repository uses a user's key, or may: files that name it, the configuration of other CI services,
//! and Terraform. While there is any, the key is not retired.

use std::collections::BTreeSet;
use std::path::Path;

use crate::commands::terraform_files::find_keys_in_worktree;
use crate::migrate::KeySecrets;
use crate::repository::{
    FileContent, KeyMaterial, MAX_SEARCHED_BYTES, ManagedKeys, Scanner, is_workflow, list_named_keys,
    scan_file,
};
use crate::system::files;
use crate::system::listing::ScanItem;
use crate::system::worktree::WorkTree;

/// Lists the tracked files that keep a user's key from being retired, each with the reason. `keys`: the IDs, if they are known.
pub fn list_files_with_key(tree: &WorkTree, user: &str, keys: Option<&BTreeSet<String>>) -> Vec<String> {
    let (listing, scanner) = (tree.list_tracked_files(), Scanner::new());
    let (mut uses, mut absent) = (Vec::new(), listing.absent + listing.left_out);
    for ScanItem { shown, path, .. } in &listing.items {
        match files::read_plain(path, MAX_SEARCHED_BYTES) {
            Ok(bytes) => uses.extend(explain_file(&scanner, shown, &bytes, keys)),
            Err(reason) if reason.is_absent() => absent += 1,
            Err(reason) => uses.push(format!("{shown} may name the key, and cannot be read: {reason}")),
        }
    }
    if absent > 0 {
        uses.push(format!(
            "{absent} tracked files, or folders of them, are not in the working tree and may name the key: check them out"
        ));
    }
    uses.extend(explain_managed_keys(&find_keys_in_worktree(tree), user));
    for (file, reason) in &listing.faults {
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
fn explain_file(
    scanner: &Scanner,
    shown: &str,
    bytes: &[u8],
    keys: Option<&BTreeSet<String>>,
) -> Option<String> {
    let file = scan_file(scanner, shown, bytes);
    if let Some(keys) = keys {
        for found in &file.matches {
            let id = match &found.material {
                KeyMaterial::KeyId(id) | KeyMaterial::Secret { beside: Some(id), .. } => id,
                KeyMaterial::Secret { beside: None, .. } => continue,
            };
            if keys.contains(id.as_str()) {
                return Some(format!("{shown}:{}:{} names the key", found.at.line, found.at.column));
            }
        }
        // As a retirement looks for it: also what a scan for leaks takes for a sample, which has no position
        if !keys.is_disjoint(&list_named_keys(scanner, bytes)) {
            return Some(format!("{shown} names the key"));
        }
    }
    // Those of GitHub are what is migrated
    if is_workflow(shown) {
        return None;
    }
    let passed = file.static_keys.first()?;
    let (line, column) = (passed.at.line, passed.at.column);
    Some(format!("{shown}:{line}:{column} may use it: it passes an access key of AWS"))
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
