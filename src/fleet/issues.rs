//! Decides which repositories get an issue about what a fleet's report has of them, and what each issue is to list. Anyone who can
//! write a result could name any repository, so that only those count which `fleet.yml` and the collection both name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::file::FleetFile;
use super::finding::FleetFinding;
use super::merge::{FleetReport, LineDetails};
use crate::notify::observed::{FoundProblem, Observed, Scope, collect_problems};
use crate::report::ReportOutcome;
use crate::rules;

/// What is done about a report.
#[derive(Debug, Default)]
pub struct IssuePlan {
    /// The worst first.
    pub issues: Vec<PlannedIssue>,
    /// The repositories with findings that get no issue.
    pub refused: Vec<String>,
}

/// The issue of one repository.
#[derive(Debug)]
pub struct PlannedIssue {
    /// The place of the repository in the report.
    pub line: usize,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The path of the policy file.
    pub policy_file: String,
    pub observed: Observed,
}

/// Plans the issues of a report.
pub fn plan_issues(report: &FleetReport, file: &FleetFile) -> IssuePlan {
    let mut plan = IssuePlan::default();
    for (index, line) in report.repositories.iter().enumerate() {
        match &line.collected_policy {
            Some(policy) if file.collects(&line.name) => plan.issues.push(PlannedIssue {
                line: index,
                repository: line.name.clone(),
                policy_file: policy.clone(),
                observed: observe_repository(&line.details, report.generated_at),
            }),
            // Nothing is known of a repository whose policy file GitHub did not show.
            _ if line.details.findings.is_empty() => {}
            _ => plan.refused.push(line.name.clone()),
        }
    }
    plan
}

fn observe_repository(details: &LineDetails, at: Timestamp) -> Observed {
    let mut unseen: BTreeSet<String> =
        details.not_checked.iter().map(|skipped| skipped.rule.clone()).collect();
    let mut found = Vec::new();
    for finding in details.findings.iter().filter(|finding| !finding.exempted) {
        match found_problem(finding) {
            Some(problem) => found.push(problem),
            // A rule of a later version: this one cannot say what became of it.
            None => {
                unseen.insert(finding.rule.clone());
            }
        }
    }
    Observed {
        at,
        problems: collect_problems(found.into_iter(), at),
        scope: Scope::Fleet { unseen },
        is_complete: matches!(details.outcome, ReportOutcome::Pass | ReportOutcome::Breach),
    }
}

fn found_problem(finding: &FleetFinding) -> Option<FoundProblem<'_>> {
    Some(FoundProblem {
        key: finding.checked_fingerprint(),
        severity: finding.severity,
        rule: rules::find_rule(&finding.rule)?.rule_meta().name,
        user: finding.user.as_deref(),
        message: &finding.message,
        help: &finding.help,
        pull_request: None,
    })
}
