//! Merges the results of many jobs into one report. A result that is missing or cut makes the report incomplete: what was
//! not looked at never counts as good.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::collection::{Collection, RepositoryState};
use super::exemptions::lift_exemption_findings;
use super::finding::{FleetFinding, NotChecked};
use super::input::{FleetInput, read_input};
use super::missing::{Missing, ResultsByPart, find_missing_parts, find_missing_repositories, part_fault};
use super::newest::{NamedInput, choose_believable, is_before_collection};
use super::part::Part;
use super::result::{AccountResult, RepositoryResult};
use crate::iam::ReadFault;
use crate::report::{FailOn, ReportOutcome, ReportSummary};

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
    pub faults: BTreeSet<ReadFault>,
    pub remarks: BTreeSet<String>,
    pub summary: ReportSummary,
    pub outcome: ReportOutcome,
}

/// One repository with a policy file.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryLine {
    /// `OWNER/NAME`.
    #[serde(rename = "repository")]
    pub name: String,
    pub policy: String,
    pub accounts: BTreeSet<String>,
    /// The path of its policy file by the collection; `None` if the collection has none of it.
    #[serde(skip)]
    pub collected_policy: Option<String>,
    #[serde(flatten)]
    pub details: LineDetails,
}

/// One account.
#[derive(Debug, Clone, Serialize)]
pub struct AccountLine {
    #[serde(rename = "account")]
    pub id: String,
    /// The repositories whose policy files name the account.
    pub repositories: BTreeSet<String>,
    #[serde(flatten)]
    pub details: LineDetails,
}

/// What was found for one account or one repository.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LineDetails {
    #[serde(rename = "result")]
    pub outcome: ReportOutcome,
    pub summary: ReportSummary,
    pub findings: BTreeSet<FleetFinding>,
    pub faults: BTreeSet<ReadFault>,
    pub not_checked: BTreeSet<NotChecked>,
    pub remarks: BTreeSet<String>,
}

impl LineDetails {
    fn worsen(&mut self, outcome: ReportOutcome) {
        self.outcome = self.outcome.max(outcome);
    }

    /// Counts the findings, and decides what they mean. `is_missing`: of an account of the line, not every part was read.
    fn finish(&mut self, is_missing: bool, fail_on: FailOn) {
        if is_missing {
            self.worsen(ReportOutcome::Incomplete);
        }
        let found = count_findings(&self.findings, &mut self.summary, fail_on);
        self.worsen(found);
    }

    /// The order of lines: the result, then the number of errors and warnings.
    fn compare_badness(&self, other: &Self) -> Ordering {
        let (own, others) = (&self.summary, &other.summary);
        (other.outcome, others.errors, others.warnings).cmp(&(self.outcome, own.errors, own.warnings))
    }
}

/// Collects the inputs, and merges them at the end.
#[derive(Debug, Default)]
pub struct FleetMerger {
    found: BTreeMap<(String, Part), Vec<NamedInput<AccountResult>>>,
    collections: Vec<NamedInput<Collection>>,
    /// The newest result of each part of each account.
    results: ResultsByPart,
    collection: Option<Collection>,
    faults: BTreeSet<ReadFault>,
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
            Ok(FleetInput::Account(result)) => self.add_result(name, *result),
            Ok(FleetInput::Collection(collection)) => {
                self.collections.push(NamedInput { name: name.to_owned(), input: *collection });
            }
            Err(error) => self.add_unreadable(name, &error.to_string()),
        }
    }

    /// Adds a file that cannot be read.
    pub fn add_unreadable(&mut self, name: &str, reason: &str) {
        self.add_fault(name, reason.to_owned());
    }

    fn add_fault(&mut self, operation: &str, message: String) {
        self.faults.insert(ReadFault { user: None, operation: operation.to_owned(), message });
    }

    /// Adds the result of a job. Of two results of the same part the newer one counts.
    pub fn add_result(&mut self, name: &str, result: AccountResult) {
        let key = (result.account.clone(), result.part);
        self.found.entry(key).or_default().push(NamedInput { name: name.to_owned(), input: result });
    }

    /// Chooses the newest result of each part, and the newest collection.
    fn choose_inputs(&mut self, now: Timestamp) {
        for ((account, part), files) in std::mem::take(&mut self.found) {
            if files.len() > 1 {
                self.remarks.insert(format!(
                    "account {account} has {} results of part {part}; the newest is shown",
                    files.len()
                ));
            }
            let what = format!("account {account}, part {part}");
            if let Some(result) = choose_believable(files, &what, now, &mut self.faults) {
                self.results.insert((account, part), result);
            }
        }
        let collections = std::mem::take(&mut self.collections);
        if collections.len() > 1 {
            self.remarks.insert("of several collections the newest is used".to_owned());
        }
        self.collection = choose_believable(collections, "collection", now, &mut self.faults);
        self.report_old_results();
    }

    /// Reports the results that are older than the collection.
    fn report_old_results(&mut self) {
        let Some(collection) = &self.collection else { return };
        for ((account, part), result) in &self.results {
            if is_before_collection(result, collection) {
                let (at, collected) = (result.generated_at, collection.generated_at);
                self.faults.insert(ReadFault {
                    user: None,
                    operation: format!("account {account}, part {part}"),
                    message: format!(
                        "its result is of {at}, before the collection of {collected}: its job wrote none since"
                    ),
                });
            }
        }
    }

    /// Merges everything.
    pub fn merge(mut self, now: Timestamp, fail_on: FailOn) -> FleetReport {
        self.choose_inputs(now);
        self.drop_older_divisions();
        let mut merged = Merged { missing: self.report_missing(), ..Merged::default() };
        // Without a collection other accounts may exist
        let is_whole = !self.is_one_job && self.collection.is_some() && merged.missing.accounts.is_empty();
        if let Some(collection) = self.collection.take() {
            if !collection.complete && collection.faults.is_empty() {
                self.add_fault("collection", "it says that policy files are missing in it".to_owned());
            }
            merged.add_collection(collection, &mut self.faults);
        }
        for result in std::mem::take(&mut self.results).into_values() {
            merged.add_result(result);
        }
        let accounts = merged.accounts.values_mut().map(|line| &mut line.details.findings);
        merged.findings.extend(lift_exemption_findings(accounts, is_whole));
        merged.finish(now, fail_on, (self.faults, self.remarks))
    }

    /// Reports everything that has no result, and returns it.
    fn report_missing(&mut self) -> Missing {
        let mut missing = Missing::default();
        if self.is_one_job {
            return missing;
        }
        let parts = find_missing_parts(&self.results, self.collection.as_ref());
        self.faults.extend(parts.iter().map(|(account, part)| part_fault(account, *part)));
        match &self.collection {
            Some(collection) => {
                for (repository, fault) in find_missing_repositories(&self.results, collection) {
                    self.faults.insert(fault);
                    missing.repositories.insert(repository);
                }
            }
            None => {
                let remark = "which accounts should have a result is not known: add the file collection.json of `keytide fleet collect`";
                self.remarks.insert(remark.to_owned());
            }
        }
        missing.accounts = parts.into_iter().map(|(account, _)| account).collect();
        missing
    }

    /// Keeps the results of one division of each account: parts of two divisions overlap.
    fn drop_older_divisions(&mut self) {
        let mut newest: BTreeMap<String, (Timestamp, u32)> = BTreeMap::new();
        for ((account, part), result) in &self.results {
            let entry = newest.entry(account.clone()).or_insert((result.generated_at, part.of));
            *entry = (*entry).max((result.generated_at, part.of));
        }
        let (mut dropped, mut same_time) = (BTreeSet::new(), BTreeSet::new());
        self.results.retain(|(account, part), result| {
            let is_kept = newest.get(account).is_some_and(|(_, of)| *of == part.of);
            if !is_kept {
                dropped.insert(account.clone());
                if newest.get(account).is_some_and(|(time, _)| *time == result.generated_at) {
                    same_time.insert(account.clone());
                }
            }
            is_kept
        });
        for account in same_time {
            let message = "two divisions of the same time disagree".to_owned();
            self.add_fault(&format!("account {account}"), message);
        }
        for account in dropped {
            self.remarks.insert(format!("account {account} was divided in two ways; the newer one is shown"));
        }
    }
}

/// The lines so far, by name.
#[derive(Default)]
struct Merged {
    missing: Missing,
    repositories: BTreeMap<String, RepositoryLine>,
    accounts: BTreeMap<String, AccountLine>,
    left_out: BTreeMap<RepositoryState, Vec<String>>,
    findings: BTreeSet<FleetFinding>,
}

impl Merged {
    fn add_collection(&mut self, collection: Collection, faults: &mut BTreeSet<ReadFault>) {
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
            if repository.state != RepositoryState::Unreadable {
                line.collected_policy.clone_from(&repository.policy);
            }
            line.policy = repository.policy.unwrap_or_default();
            line.accounts.extend(repository.account);
            line.details.findings.extend(repository.findings);
            line.details.outcome = match repository.state {
                RepositoryState::Unreadable => ReportOutcome::Incomplete,
                RepositoryState::Invalid => ReportOutcome::Invalid,
                _ => ReportOutcome::Pass,
            };
        }
    }

    fn add_result(&mut self, result: AccountResult) {
        let details = &mut self.account(&result.account).details;
        if !result.complete || !result.faults.is_empty() {
            details.worsen(ReportOutcome::Incomplete);
        }
        details.summary.users += result.users;
        details.summary.keys += result.keys;
        details.findings.extend(result.findings);
        details.faults.extend(result.faults);
        details.not_checked.extend(result.not_checked);
        details.remarks.extend(result.remarks);
        for repository in result.repositories {
            let name = repository.repository.clone();
            self.account(&result.account).repositories.insert(name);
            self.add_repository(&result.account, repository);
        }
    }

    fn add_repository(&mut self, account: &str, result: RepositoryResult) {
        let line = self.repository(&result.repository);
        line.policy = result.policy;
        // A policy file that cannot be read may be for any account.
        if result.result != ReportOutcome::Invalid {
            line.accounts.insert(account.to_owned());
        }
        let details = &mut line.details;
        // Whether the findings fail is decided at the end, by the `--fail-on` of this report and not of that job's
        let has_findings = result.findings.iter().any(|finding| !finding.exempted);
        if result.result != ReportOutcome::Breach || !has_findings {
            details.worsen(result.result);
        }
        if !result.faults.is_empty() {
            details.worsen(ReportOutcome::Incomplete);
        }
        details.summary.users += result.summary.users;
        details.summary.keys += result.summary.keys;
        details.findings.extend(result.findings);
        details.faults.extend(result.faults);
        details.not_checked.extend(result.not_checked);
        details.remarks.extend(result.remarks);
    }

    fn account(&mut self, id: &str) -> &mut AccountLine {
        self.accounts.entry(id.to_owned()).or_insert_with(|| AccountLine {
            id: id.to_owned(),
            repositories: BTreeSet::new(),
            details: LineDetails::default(),
        })
    }

    fn repository(&mut self, name: &str) -> &mut RepositoryLine {
        self.repositories.entry(name.to_owned()).or_insert_with(|| RepositoryLine {
            name: name.to_owned(),
            policy: String::new(),
            accounts: BTreeSet::new(),
            collected_policy: None,
            details: LineDetails::default(),
        })
    }

    /// Counts, decides and sorts.
    fn finish(
        self,
        now: Timestamp,
        fail_on: FailOn,
        (faults, remarks): (BTreeSet<ReadFault>, BTreeSet<String>),
    ) -> FleetReport {
        let mut summary = ReportSummary::default();
        let mut outcome = if faults.is_empty() { ReportOutcome::Pass } else { ReportOutcome::Incomplete };
        outcome = outcome.max(count_findings(&self.findings, &mut summary, fail_on));
        let mut accounts: Vec<AccountLine> = self.accounts.into_values().collect();
        for line in &mut accounts {
            line.details.finish(self.missing.accounts.contains(&line.id), fail_on);
            summary.add(&line.details.summary);
            outcome = outcome.max(line.details.outcome);
        }
        let mut repositories: Vec<RepositoryLine> = self.repositories.into_values().collect();
        for line in &mut repositories {
            let is_missing = !self.missing.accounts.is_disjoint(&line.accounts)
                || self.missing.repositories.contains(&line.name);
            line.details.finish(is_missing, fail_on);
            // Users and keys are those of the accounts: two repositories may list the same user.
            summary.add(&ReportSummary { users: 0, keys: 0, ..line.details.summary });
            outcome = outcome.max(line.details.outcome);
        }
        // Both are sorted by name already, and the sort is stable.
        accounts.sort_by(|a, b| a.details.compare_badness(&b.details));
        repositories.sort_by(|a, b| a.details.compare_badness(&b.details));
        FleetReport {
            generated_at: now,
            repositories,
            accounts,
            left_out: self.left_out,
            findings: self.findings,
            faults,
            remarks,
            summary,
            outcome,
        }
    }
}

/// Adds findings to a summary, and decides what they mean.
fn count_findings(
    findings: &BTreeSet<FleetFinding>,
    summary: &mut ReportSummary,
    fail_on: FailOn,
) -> ReportOutcome {
    let mut outcome = ReportOutcome::Pass;
    for finding in findings {
        summary.add_finding(finding.severity, finding.exempted);
        if !finding.exempted && fail_on.includes(finding.severity) {
            outcome = ReportOutcome::Breach;
        }
    }
    outcome
}
