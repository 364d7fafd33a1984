//! Searches the repository's files for destinations, access key IDs and Terraform's users, for a starter policy file.

use std::collections::BTreeSet;

use crate::commands::context::Context;
use crate::destinations::suggest::{
    KnownFiles, Suggestion, is_certificate, may_be_certificate, suggest_destinations,
};
use crate::repository::{AccessKeyId, KeyMaterial, Scanner, find_iam_users, is_terraform};
use crate::system::files;
use crate::system::listing::ScanItem;
use crate::system::scan_files::scan_items;
use crate::system::worktree::WorkTree;

/// Files larger than this are not destinations.
const MAX_BYTES: usize = 1024 * 1024;

pub struct RepositoryScan {
    pub suggestions: Vec<Suggestion>,
    /// The users that Terraform creates, each with `FILE:LINE`.
    pub terraform_users: Vec<(String, String)>,
    /// What was found and cannot be decided, a sentence each.
    pub undecided: Vec<String>,
    pub files_with_key_ids: Vec<String>,
    pub keys: BTreeSet<AccessKeyId>,
}

impl RepositoryScan {
    /// The account that the only access key ID in the files belongs to.
    pub fn sole_account(&self) -> Option<String> {
        if self.keys.len() != 1 {
            return None;
        }
        self.keys.first()?.account_id()
    }
}

/// Searches all files that Git tracks.
pub fn scan_repository(context: &Context<'_>, tree: &WorkTree) -> RepositoryScan {
    let items = tree.list_tracked_files().items;
    let repository = context.repository_name();
    let known = KnownFiles { repository: repository.as_deref(), certificate: find_sole_certificate(&items) };
    let mut suggestions = Vec::new();
    let (mut terraform_users, mut undecided) = (Vec::new(), Vec::new());
    for item in &items {
        let Some(bytes) = read_small_file(item) else { continue };
        if is_terraform(&item.shown) {
            let users = find_iam_users(&item.shown, &bytes);
            terraform_users
                .extend(users.named.into_iter().map(|(name, line)| (name, format!("{}:{line}", item.shown))));
            for (resource, line) in users.undecided {
                undecided.push(format!(
                    "{}:{line}: keytide cannot tell the name of {resource}; add the user by hand.",
                    item.shown
                ));
            }
        } else {
            suggestions.extend(suggest_destinations(&item.shown, &bytes, known));
        }
    }
    let (mut files_with_key_ids, mut keys) = (Vec::new(), BTreeSet::new());
    for file in scan_items(&Scanner::new(), &items).found {
        let mut found = BTreeSet::new();
        for hit in file.matches {
            match hit.material {
                KeyMaterial::KeyId(id) if !hit.encoded && !id.is_temporary() => found.insert(id),
                _ => false,
            };
        }
        if !found.is_empty() {
            files_with_key_ids.push(file.file);
        }
        keys.extend(found);
    }
    RepositoryScan { suggestions, terraform_users, undecided, files_with_key_ids, keys }
}

/// The certificate for sealed secrets, if exactly one file is a certificate.
fn find_sole_certificate(items: &[ScanItem]) -> Option<&str> {
    let mut sole = None;
    for item in items {
        if may_be_certificate(&item.shown)
            && read_small_file(item).is_some_and(|bytes| is_certificate(&bytes))
        {
            if sole.is_some() {
                return None;
            }
            sole = Some(item.shown.as_str());
        }
    }
    sole
}

fn read_small_file(item: &ScanItem) -> Option<Vec<u8>> {
    files::read_plain(&item.path, MAX_BYTES).ok()
}
