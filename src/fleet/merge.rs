//! Merges the results of many jobs into one report. A result that is missing or cut makes the report incomplete: what was
//! not looked at never counts as good.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::collection::{Collection, RepositoryState};
use super::finding::{Counts, FleetFault, FleetFinding, Level, NotChecked};
use super::input::{FleetInput, read_input};
use super::part::Part;
use super::result::{AccountResult, Outcome, RepositoryResult};

/// The merged report.
#[derive(Debug, Clone)]
pub struct FleetReport {
    pub generated_at: Timestamp,
    /// The worst first.
    pub repositories: Vec<RepositoryLine>,
    /// The worst first.
    pub accounts: Vec<AccountLine>,
    /// The repositories that were left out, by state.
    pub left_out: BTreeMap<RepositoryState, Vec<String>>,
    /// The findings about the fleet as a whole.
    pub findings: BTreeSet<FleetFinding>,
    /// What is missing: results, and what a collection or a job could not read.
    pub faults: BTreeSet<FleetFault>,
    pub remarks: BTreeSet<String>,
    pub counts: Counts,
    pub outcome: Outcome,
}

/// One repository with a policy file.
#[derive(Debug, Clone)]
pub struct RepositoryLine {
    /// `OWNER/NAME`.
    pub name: String,
    pub policy: String,
    pub accounts: BTreeSet<String>,
    pub outcome: Outcome,
    pub counts: Counts,
    pub findings: BTreeSet<FleetFinding>,
    pub faults: BTreeSet<FleetFault>,
    pub not_checked: BTreeSet<NotChecked>,
    pub remarks: BTreeSet<String>,
}

/// One account.
#[derive(Debug, Clone)]
pub struct AccountLine {
    pub id: String,
    pub outcome: Outcome,
    /// The repositories whose policy files name the account.
    pub repositories: BTreeSet<String>,
    pub counts: Counts,
    pub findings: BTreeSet<FleetFinding>,
    pub faults: BTreeSet<FleetFault>,
    pub not_checked: BTreeSet<NotChecked>,
    pub remarks: BTreeSet<String>,
}

/// Collects the inputs, and merges them at the end.
#[derive(Debug, Default)]
pub struct FleetMerger {
    /// The newest result of each part of each account.
    results: BTreeMap<(String, Part), AccountResult>,
    collection: Option<Collection>,
    faults: BTreeSet<FleetFault>,
    remarks: BTreeSet<String>,
    /// Whether one job shows its own result, and no other is expected.
    is_one_job: bool,
}

impl FleetMerger {
    /// A merger of the result of one job, which expects no others.
    pub fn of_one_job() -> Self {
        Self { is_one_job: true, ..Self::default() }
    }

    /// Adds a file. `name` is shown in messages.
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) {
        match read_input(bytes) {
            Ok(FleetInput::Account(result)) => self.add_result(*result),
            Ok(FleetInput::Collection(collection)) => self.add_collection(*collection),
            Err(error) => self.add_unreadable(name, &error.to_string()),
        }
    }

    /// Adds a file that cannot be read.
    pub fn add_unreadable(&mut self, name: &str, reason: &str) {
        self.add_fault(name, reason.to_owned());
    }

    fn add_fault(&mut self, operation: &str, message: String) {
        self.faults.insert(FleetFault { user: None, operation: operation.to_owned(), message });
    }

    /// Adds the result of a job. Of two results of the same part the newer one counts.
    pub fn add_result(&mut self, result: AccountResult) {
        let key = (result.account.clone(), result.part);
        let Some(known) = self.results.get(&key) else {
            self.results.insert(key, result);
            return;
        };
        self.remarks.insert(format!(
            "account {} has two results of part {}; the newer one is shown",
            result.account, result.part
        ));
        // Of the same time the incomplete one: it must not be covered by one that looks good.
        let is_newer = (result.generated_at, !result.complete) > (known.generated_at, !known.complete);
        if is_newer {
            self.results.insert(key, result);
        }
    }

    fn add_collection(&mut self, collection: Collection) {
        match &self.collection {
            Some(known) if known.generated_at >= collection.generated_at => {
                self.remarks.insert("of two collections the newer one is used".to_owned());
            }
            Some(_) => {
                self.remarks.insert("of two collections the newer one is used".to_owned());
                self.collection = Some(collection);
            }
            None => self.collection = Some(collection),
        }
    }

    /// Merges everything.
    pub fn merge(mut self, now: Timestamp, least: Option<Level>) -> FleetReport {
        self.drop_older_divisions();
        let mut merged = Merged { missing: self.report_missing(), ..Merged::default() };
        if let Some(collection) = self.collection.take() {
            merged.add_collection(collection, &mut self.faults);
        }
        for result in std::mem::take(&mut self.results).into_values() {
            merged.add_result(result);
        }
        merged.finish(now, least, (self.faults, self.remarks))
    }

    /// Keeps the results of one division of each account: parts of two divisions overlap.
    fn drop_older_divisions(&mut self) {
        let mut newest: BTreeMap<String, (Timestamp, u32)> = BTreeMap::new();
        for ((account, part), result) in &self.results {
            let entry = newest.entry(account.clone()).or_insert((result.generated_at, part.of));
            *entry = (*entry).max((result.generated_at, part.of));
        }
        let mut dropped = BTreeSet::new();
        self.results.retain(|(account, part), _| {
            let is_kept = newest.get(account).is_some_and(|(_, of)| *of == part.of);
            if !is_kept {
                dropped.insert(account.clone());
            }
            is_kept
        });
        for account in dropped {
            self.remarks.insert(format!("account {account} was divided in two ways; the newer one is shown"));
        }
    }

    /// Reports each part of an account that has no result, and returns those accounts.
    fn report_missing(&mut self) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        if self.is_one_job {
            return missing;
        }
        let mut expected: BTreeSet<(String, Part)> = BTreeSet::new();
        for (account, part) in self.results.keys() {
            expected.extend((1..=part.of).map(|number| (account.clone(), Part { number, of: part.of })));
        }
        match &self.collection {
            Some(collection) => {
                for job in &collection.jobs {
                    // A later run may have divided the account in another way.
                    if !self.results.keys().any(|(account, _)| *account == job.account) {
                        expected.insert((job.account.clone(), job.part));
                    }
                }
            }
            None => {
                let remark = "which accounts should have a result is not known: add the file collection.json of `keytide fleet collect`";
                self.remarks.insert(remark.to_owned());
            }
        }
        for (account, part) in expected {
            if !self.results.contains_key(&(account.clone(), part)) {
                let part = if part.is_whole() { String::new() } else { format!(", part {part}") };
                self.add_fault(
                    &format!("account {account}{part}"),
                    "there is no result: the job failed, or did not run".to_owned(),
                );
                missing.insert(account);
            }
        }
        missing
    }
}

/// The lines so far, by name.
#[derive(Default)]
struct Merged {
    /// The accounts of which nothing, or not every part, was read.
    missing: BTreeSet<String>,
    repositories: BTreeMap<String, RepositoryLine>,
    accounts: BTreeMap<String, AccountLine>,
    left_out: BTreeMap<RepositoryState, Vec<String>>,
    findings: BTreeSet<FleetFinding>,
}

impl Merged {
    fn add_collection(&mut self, collection: Collection, faults: &mut BTreeSet<FleetFault>) {
        faults.extend(collection.faults);
        self.findings.extend(collection.findings);
        for job in collection.jobs {
            self.account(&job.account);
        }
        for repository in collection.repositories {
            match repository.state {
                RepositoryState::Collected | RepositoryState::Invalid | RepositoryState::Unreadable => {}
                state => {
                    self.left_out.entry(state).or_default().push(repository.name);
                    continue;
                }
            }
            if let Some(account) = &repository.account
                && let Some(line) = self.accounts.get_mut(account)
            {
                line.repositories.insert(repository.name.clone());
            }
            let line = self.repository(&repository.name);
            line.policy = repository.policy.unwrap_or_default();
            line.accounts.extend(repository.account);
            line.findings.extend(repository.findings);
            line.outcome = match repository.state {
                RepositoryState::Unreadable => Outcome::Incomplete,
                RepositoryState::Invalid => Outcome::Invalid,
                _ => Outcome::Pass,
            };
        }
    }

    fn add_result(&mut self, result: AccountResult) {
        let account = self.account(&result.account);
        if !result.complete {
            account.outcome = account.outcome.max(Outcome::Incomplete);
        }
        account.counts.users += result.users;
        account.counts.keys += result.keys;
        account.findings.extend(result.findings);
        account.faults.extend(result.faults);
        account.not_checked.extend(result.not_checked);
        account.remarks.extend(result.remarks);
        for repository in result.repositories {
            let name = repository.repository.clone();
            self.account(&result.account).repositories.insert(name);
            self.add_repository(&result.account, repository);
        }
    }

    fn add_repository(&mut self, account: &str, result: RepositoryResult) {
        let line = self.repository(&result.repository);
        let is_invalid = result.result == Outcome::Invalid;
        line.outcome = line.outcome.max(result.result);
        line.policy = result.policy;
        line.counts.users += result.summary.users;
        line.counts.keys += result.summary.keys;
        // A policy file that cannot be read may be for any account.
        if !is_invalid {
            line.accounts.insert(account.to_owned());
        }
        line.findings.extend(result.findings);
        line.faults.extend(result.faults);
        line.not_checked.extend(result.not_checked);
        line.remarks.extend(result.remarks);
    }

    fn account(&mut self, id: &str) -> &mut AccountLine {
        self.accounts.entry(id.to_owned()).or_insert_with(|| AccountLine {
            id: id.to_owned(),
            outcome: Outcome::Pass,
            repositories: BTreeSet::new(),
            counts: Counts::default(),
            findings: BTreeSet::new(),
            faults: BTreeSet::new(),
            not_checked: BTreeSet::new(),
            remarks: BTreeSet::new(),
        })
    }

    fn repository(&mut self, name: &str) -> &mut RepositoryLine {
        self.repositories.entry(name.to_owned()).or_insert_with(|| RepositoryLine {
            name: name.to_owned(),
            policy: String::new(),
            accounts: BTreeSet::new(),
            outcome: Outcome::Pass,
            counts: Counts::default(),
            findings: BTreeSet::new(),
            faults: BTreeSet::new(),
            not_checked: BTreeSet::new(),
            remarks: BTreeSet::new(),
        })
    }

    /// Counts, decides and sorts.
    fn finish(
        self,
        now: Timestamp,
        least: Option<Level>,
        (faults, remarks): (BTreeSet<FleetFault>, BTreeSet<String>),
    ) -> FleetReport {
        let mut counts = Counts::default();
        let mut outcome = if faults.is_empty() { Outcome::Pass } else { Outcome::Incomplete };
        outcome = outcome.max(count_findings(&self.findings, &mut counts, least));
        let mut accounts: Vec<AccountLine> = self.accounts.into_values().collect();
        for line in &mut accounts {
            if self.missing.contains(&line.id) {
                line.outcome = Outcome::Incomplete;
            }
            line.outcome = line.outcome.max(count_findings(&line.findings, &mut line.counts, least));
            counts.add(&line.counts);
            outcome = outcome.max(line.outcome);
        }
        let mut repositories: Vec<RepositoryLine> = self.repositories.into_values().collect();
        for line in &mut repositories {
            if line.accounts.iter().any(|account| self.missing.contains(account)) {
                line.outcome = Outcome::Incomplete;
            }
            line.outcome = line.outcome.max(count_findings(&line.findings, &mut line.counts, least));
            // Users and keys are those of the accounts: two repositories may list the same user.
            counts.add(&Counts { users: 0, keys: 0, ..line.counts });
            outcome = outcome.max(line.outcome);
        }
        accounts.sort_by(|a, b| worst_first((a.outcome, &a.counts, &a.id), (b.outcome, &b.counts, &b.id)));
        repositories
            .sort_by(|a, b| worst_first((a.outcome, &a.counts, &a.name), (b.outcome, &b.counts, &b.name)));
        FleetReport {
            generated_at: now,
            repositories,
            accounts,
            left_out: self.left_out,
            findings: self.findings,
            faults,
            remarks,
            counts,
            outcome,
        }
    }
}

/// Counts findings, and decides what they mean.
fn count_findings(findings: &BTreeSet<FleetFinding>, counts: &mut Counts, least: Option<Level>) -> Outcome {
    let mut outcome = Outcome::Pass;
    for finding in findings {
        counts.add_finding(finding);
        if !finding.exempted && least.is_some_and(|least| finding.severity >= least) {
            outcome = Outcome::Breach;
        }
    }
    outcome
}

/// The order of lines: the result, then the number of errors and warnings, then the name.
fn worst_first(a: (Outcome, &Counts, &String), b: (Outcome, &Counts, &String)) -> std::cmp::Ordering {
    let (rank_a, rank_b) = ((a.0, a.1.errors, a.1.warnings), (b.0, b.1.errors, b.1.warnings));
    rank_b.cmp(&rank_a).then_with(|| a.2.cmp(b.2))
}
