//! Which files a policy lets name an access key ID in clear text, and whose it may be.

use globset::GlobSet;

use super::RuleInput;
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

/// The references of the policy, which lets no broken glob in.
pub fn collect_references<'a>(input: &RuleInput<'a>) -> Vec<CompiledReference<'a>> {
    let of = |entry: &'a UserPolicy| {
        let reference = entry.destinations.iter().find_map(Destination::as_reference)?;
        Some(CompiledReference { entry, files: reference.compile_globs().ok()? })
    };
    input.policy.users.iter().filter_map(of).collect()
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

/// Whose account an access key ID tells, as the rest of a sentence.
pub fn describe_account(input: &RuleInput<'_>, id: &AccessKeyId) -> String {
    match (id.account_id(), &input.policy.account) {
        (Some(account), Some(own)) if own.0 == account => format!("of this policy's account {account}"),
        (Some(account), Some(own)) => format!("of account {account}, not of this policy's account {}", own.0),
        (Some(account), None) => format!("of account {account}"),
        (None, _) => "of the older form, which does not contain its account".to_owned(),
    }
}

/// Whether a key ID may be one of this policy's account.
pub fn may_belong_to_account(input: &RuleInput<'_>, id: &AccessKeyId) -> bool {
    match (id.account_id(), &input.policy.account) {
        (Some(account), Some(own)) => own.0 == account,
        _ => true,
    }
}
