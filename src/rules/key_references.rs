//! Finds the files in which a policy allows access key IDs in clear text, and the user and account of such an ID.

use globset::GlobSet;

use super::input::RuleInput;
use crate::policy::{Destination, UserPolicy, UserSelector};
use crate::repository::{AccessKeyId, LockFile};

/// The `reference` destinations of one entry.
pub struct CompiledReference<'a> {
    pub entry: &'a UserPolicy,
    files: GlobSet,
}

impl CompiledReference<'_> {
    pub fn covers_file(&self, file: &str) -> bool {
        self.files.is_match(file)
    }

    /// The user, where the entry is for one.
    pub fn user_name(&self) -> Option<&str> {
        entry_user(self.entry)
    }
}

/// The references of the policy, whose globs the policy file's check has compiled before.
pub fn collect_references<'a>(input: &RuleInput<'a>) -> Vec<CompiledReference<'a>> {
    let mut references = Vec::new();
    for entry in &input.policy.users {
        let reference = entry.destinations.iter().find_map(Destination::as_reference);
        if let Some(files) = reference.and_then(|reference| reference.compile_globs().ok()) {
            references.push(CompiledReference { entry, files });
        }
    }
    references
}

/// The name of an entry's user; an entry for many has none.
pub fn entry_user(entry: &UserPolicy) -> Option<&str> {
    match &entry.selector {
        UserSelector::Name(name) => Some(&name.0),
        UserSelector::Match { .. } => None,
    }
}

/// The lock file of a user.
pub fn find_lock_file<'a>(input: &RuleInput<'a>, user: &str) -> Option<&'a LockFile> {
    let locks = &input.files?.lock_files;
    locks.values().filter_map(|lock| lock.as_ref().ok()).find(|lock| lock.user == user)
}

/// The user whose last rotation made this key.
pub fn key_owner<'a>(input: &RuleInput<'a>, id: &AccessKeyId) -> Option<&'a str> {
    let digest = id.digest_hex();
    let mut locks = input.files?.lock_files.values().filter_map(|lock| lock.as_ref().ok());
    locks.find(|lock| lock.contains_key(&digest)).map(|lock| lock.user.as_str())
}

/// The account in an access key ID, as the rest of a sentence.
pub fn describe_account(input: &RuleInput<'_>, id: &AccessKeyId) -> String {
    match (id.account_id(), &input.policy.account) {
        (Some(account), Some(own)) if own.0 == account => format!("of this policy's account {account}"),
        (Some(account), Some(own)) => format!("of account {account}, not of this policy's account {}", own.0),
        (Some(account), None) => format!("of account {account}"),
        (None, _) => "of the older form, which does not contain its account".to_owned(),
    }
}

/// Whether a key ID can belong to this policy's account.
pub fn may_belong_to_account(input: &RuleInput<'_>, id: &AccessKeyId) -> bool {
    match (id.account_id(), &input.policy.account) {
        (Some(account), Some(own)) => own.0 == account,
        // An ID of the older form does not contain its account, so it can be of any.
        _ => true,
    }
}
