//! Finds what a fleet's report should contain and does not: parts of accounts, and collected repositories.

use std::collections::{BTreeMap, BTreeSet};

use super::collection::{CollectedRepository, Collection, RepositoryState};
use super::part::Part;
use super::result::AccountResult;
use crate::iam::ReadFault;

/// The results by account and part.
pub type ResultsByPart = BTreeMap<(String, Part), AccountResult>;

/// The parts of accounts that have no result.
pub fn find_missing_parts(
    results: &ResultsByPart,
    collection: Option<&Collection>,
) -> BTreeSet<(String, Part)> {
    let mut expected: BTreeSet<(String, Part)> = BTreeSet::new();
    for (account, part) in results.keys() {
        expected.extend((1..=part.of).map(|number| (account.clone(), Part { number, of: part.of })));
    }
    for job in collection.iter().flat_map(|collection| &collection.jobs) {
        // A later run may have divided the account in another way.
        if !has_result(results, &job.account) {
            expected.insert((job.account.clone(), job.part));
        }
    }
    expected.retain(|part| !results.contains_key(part));
    expected
}

/// The fault of a part that has no result.
pub fn part_fault(account: &str, part: Part) -> ReadFault {
    let part = if part.is_whole() { String::new() } else { format!(", part {part}") };
    fault(format!("account {account}{part}"), "there is no result: the job failed, or did not run".to_owned())
}

/// What a report should contain and does not.
#[derive(Debug, Default)]
pub struct Missing {
    /// The accounts of which nothing, or not every part, was read.
    pub accounts: BTreeSet<String>,
    /// The collected repositories that no job has audited.
    pub repositories: BTreeSet<String>,
}

/// The collected repositories that no job has audited, each with its fault.
pub fn find_missing_repositories(
    results: &ResultsByPart,
    collection: &Collection,
) -> BTreeMap<String, ReadFault> {
    let mut audited: BTreeSet<(&str, &str)> = BTreeSet::new();
    for result in results.values() {
        let names = result.repositories.iter().map(|repository| repository.repository.as_str());
        audited.extend(names.map(|name| (result.account.as_str(), name)));
    }
    let mut faults = BTreeMap::new();
    for repository in &collection.repositories {
        if repository.state != RepositoryState::Collected {
            continue;
        }
        let Some(account) = &repository.account else {
            let why = "its policy file names no account, so that no job audits its users".to_owned();
            faults.insert(repository.name.clone(), fault(format!("repository {}", repository.name), why));
            continue;
        };
        if audited.contains(&(account.as_str(), repository.name.as_str())) {
            continue;
        }
        let why = if has_result(results, account) {
            format!("the result of account {account} does not contain it")
        } else if is_reported_otherwise(collection, repository, account) {
            continue;
        } else {
            format!("no job audits its account {account}")
        };
        faults.insert(repository.name.clone(), fault(format!("repository {}", repository.name), why));
    }
    faults
}

/// Whether the report says already why the repository was not audited: a job of its account has no result, or a finding
/// says that `fleet.yml` does not list the account.
fn is_reported_otherwise(collection: &Collection, repository: &CollectedRepository, account: &str) -> bool {
    collection.jobs.iter().any(|job| job.account == account) || !repository.findings.is_empty()
}

fn has_result(results: &ResultsByPart, account: &str) -> bool {
    results.keys().any(|(known, _)| known == account)
}

fn fault(operation: String, message: String) -> ReadFault {
    ReadFault { user: None, operation, message }
}
