//! Which files a policy lets name an access key ID in clear text, and whose it may be.

use globset::GlobSet;

use super::Facts;
use crate::policy::{Destination, UserPolicy, UserSelector};
use crate::repo::{KeyId, Lock};

/// The `reference` destinations of one entry.
pub struct Reference<'a> {
    pub entry: &'a UserPolicy,
    files: GlobSet,
}

impl Reference<'_> {
    pub fn covers(&self, file: &str) -> bool {
        self.files.is_match(file)
    }

    /// The user, where the entry is for one.
    pub fn user(&self) -> Option<&str> {
        user(self.entry)
    }
}

/// The references of the policy, which lets no broken glob in.
pub fn references<'a>(facts: &Facts<'a>) -> Vec<Reference<'a>> {
    let of = |entry: &'a UserPolicy| {
        let reference = entry.destinations.iter().find_map(Destination::as_reference)?;
        Some(Reference { entry, files: reference.compile_globs().ok()? })
    };
    facts.policy.users.iter().filter_map(of).collect()
}

/// The name of an entry's user; an entry for many has none.
pub fn user(entry: &UserPolicy) -> Option<&str> {
    match &entry.selector {
        UserSelector::Name(name) => Some(&name.0),
        UserSelector::Match { .. } => None,
    }
}

/// The lock file of a user.
pub fn lock_of<'a>(facts: &Facts<'a>, user: &str) -> Option<&'a Lock> {
    let locks = &facts.files?.locks;
    locks.values().filter_map(|lock| lock.as_ref().ok()).find(|lock| lock.user == user)
}

/// The user whose last rotation made this key.
pub fn owner<'a>(facts: &Facts<'a>, id: &KeyId) -> Option<&'a str> {
    let digest = id.digest();
    let mut locks = facts.files?.locks.values().filter_map(|lock| lock.as_ref().ok());
    locks.find(|lock| lock.knows_key(&digest)).map(|lock| lock.user.as_str())
}

/// Whose account an access key ID tells, as the rest of a sentence.
pub fn account(facts: &Facts<'_>, id: &KeyId) -> String {
    match (id.account(), &facts.policy.account) {
        (Some(account), Some(own)) if own.0 == account => format!("of this policy's account {account}"),
        (Some(account), Some(own)) => format!("of account {account}, not of this policy's account {}", own.0),
        (Some(account), None) => format!("of account {account}"),
        (None, _) => "of the older form, which does not tell its account".to_owned(),
    }
}

/// Whether a key ID may be one of this policy's account.
pub fn may_be_ours(facts: &Facts<'_>, id: &KeyId) -> bool {
    match (id.account(), &facts.policy.account) {
        (Some(account), Some(own)) => own.0 == account,
        _ => true,
    }
}
