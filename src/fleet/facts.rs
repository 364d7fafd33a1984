//! Compares the users of an account with the policy files of all repositories that name it, for the rules of a fleet.

use super::file::FleetFile;
use crate::iam::{AccountInventory, IamUser};
use crate::policy::{Policy, UserPolicy, UserSelector};
use crate::rules::{FleetFacts, FleetUser, UserListing};

/// The policy file of a repository.
#[derive(Debug)]
pub struct RepositoryPolicy {
    /// `OWNER/NAME`.
    pub repository: String,
    /// The numeric ID, if the collection has it.
    pub id: Option<u64>,
    pub policy: Policy,
}

/// Collects what the rules look at.
pub fn collect_facts(
    inventory: &AccountInventory,
    policies: &[RepositoryPolicy],
    file: &FleetFile,
    unread: Option<String>,
) -> FleetFacts {
    let users = inventory.users.iter().map(|user| describe_user(user, policies)).collect();
    FleetFacts {
        account: inventory.account.clone(),
        listed_at: file.find_account(&inventory.account).map(|account| account.at),
        repositories: policies.iter().map(|entry| entry.repository.clone()).collect(),
        users,
        unread,
        contested_places: Vec::new(),
    }
}

fn describe_user(user: &IamUser, policies: &[RepositoryPolicy]) -> FleetUser {
    let (mut listings, mut claimed_by) = (Vec::new(), Vec::new());
    for entry in policies {
        match entry.policy.find_user_policy(&user.name, user.iam_path()) {
            Some(found) => listings.push(describe_listing(entry, found)),
            None if entry.policy.matching_claim(&user.name).is_some() => {
                claimed_by.push(entry.repository.clone());
            }
            None => {}
        }
    }
    let owner = user.owner.known_value().and_then(Clone::clone);
    FleetUser { name: user.name.clone(), keys: user.keys.len(), listings, claimed_by, owner }
}

fn describe_listing(entry: &RepositoryPolicy, found: &UserPolicy) -> UserListing {
    UserListing {
        repository: entry.repository.clone(),
        repository_id: entry.id,
        file: entry.policy.file.clone(),
        line: found.at.line,
        is_by_name: matches!(found.selector, UserSelector::Name(_)),
    }
}

/// The users of an account that a policy file lists or claims, as an audit of its repository alone would see them.
pub fn users_of_policy(inventory: &AccountInventory, policy: &Policy) -> Vec<IamUser> {
    inventory.users.iter().filter(|user| policy.is_about_user(&user.name, user.iam_path())).cloned().collect()
}
