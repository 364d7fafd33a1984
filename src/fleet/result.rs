//! The result of one job, `keytide fleet audit`: one account, or a part of it, with the findings of each repository.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::finding::{FleetFinding, NotChecked};
use super::part::Part;
use crate::iam::ReadFault;
use crate::report::{Report, ReportOutcome, ReportSummary};

/// The value of `kind`, by which `fleet report` recognises the file.
pub const ACCOUNT_KIND: &str = "fleet-account";
/// The version of the files of a fleet. Later versions add fields; they rename and remove none.
pub const SCHEMA_VERSION: u32 = 1;
/// The rule that a part of an account cannot judge: what an exemption covers may be in another part.
const NEEDS_WHOLE_ACCOUNT: &str = "idle-exemption";
/// The rule that is judged once for an account, and not for each repository.
const ONCE_AN_ACCOUNT: &str = "root-key";
/// The rule that compares users with one repository, which an account has not.
const NEEDS_REPOSITORY: &str = "owner-mismatch";

/// The file that `--json` names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountResult {
    pub schema_version: u32,
    pub kind: String,
    pub tool: Tool,
    pub account: String,
    pub part: Part,
    pub generated_at: Timestamp,
    /// Whether everything could be read.
    pub complete: bool,
    pub repositories: Vec<RepositoryResult>,
    /// The findings about the account as a whole.
    pub findings: Vec<FleetFinding>,
    pub faults: Vec<ReadFault>,
    pub not_checked: Vec<NotChecked>,
    pub remarks: Vec<String>,
    /// How many users of this part of the account there are, and how many keys they have.
    pub users: usize,
    pub keys: usize,
}

/// The program that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

/// What was found for the policy file of one repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepositoryResult {
    /// `OWNER/NAME`.
    pub repository: String,
    pub policy: String,
    pub result: ReportOutcome,
    pub summary: ReportSummary,
    pub findings: Vec<FleetFinding>,
    pub faults: Vec<ReadFault>,
    pub not_checked: Vec<NotChecked>,
    pub remarks: Vec<String>,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self { name: "keytide".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl AccountResult {
    /// Puts the reports of one job together: that of the account, and those of the repositories.
    pub fn new(account: &str, part: Part, (own, reports): (Report, Vec<(String, Report)>)) -> Self {
        let (is_account_read, generated_at) = (own.faults.is_empty(), own.generated_at);
        let own_result = RepositoryResult::from_report(String::new(), own, part);
        let mut repositories = Vec::new();
        for (name, report) in reports {
            let mut result = RepositoryResult::from_report(name, report, part);
            // Each makes the result incomplete, and is shown once, with the account.
            result.faults.retain(|fault| !own_result.faults.contains(fault));
            repositories.push(result);
        }
        Self {
            schema_version: SCHEMA_VERSION,
            kind: ACCOUNT_KIND.to_owned(),
            tool: Tool::this(),
            account: account.to_owned(),
            part,
            generated_at,
            complete: is_account_read
                && repositories.iter().all(|repository| repository.result != ReportOutcome::Incomplete),
            repositories,
            findings: own_result.findings,
            faults: own_result.faults,
            not_checked: own_result.not_checked,
            remarks: own_result.remarks,
            users: 0,
            keys: 0,
        }
    }
}

impl RepositoryResult {
    fn from_report(repository: String, report: Report, part: Part) -> Self {
        let mut summary = report.summarize();
        let outcome = report.outcome;
        let mut findings: Vec<FleetFinding> = report.findings.into_iter().map(FleetFinding::from).collect();
        let mut not_checked: Vec<NotChecked> = report.skipped.into_iter().map(NotChecked::from).collect();
        let other = if repository.is_empty() { NEEDS_REPOSITORY } else { ONCE_AN_ACCOUNT };
        not_checked.retain(|skipped| skipped.rule != other);
        let mut remarks = report.remarks;
        if !part.is_whole() {
            findings.retain(|finding| finding.rule != NEEDS_WHOLE_ACCOUNT);
            // Whether a glob matches a user is not known either.
            remarks.clear();
            summary = ReportSummary { users: summary.users, keys: summary.keys, ..ReportSummary::default() };
            findings.iter().for_each(|finding| summary.add_finding(finding.severity, finding.exempted));
        }
        Self {
            repository,
            policy: report.policy,
            result: outcome,
            summary,
            findings,
            faults: report.faults,
            not_checked,
            remarks,
        }
    }
}
