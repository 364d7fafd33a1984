//! The findings and faults of a report by user: for each of thousands of users, without a search through all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Report;
use crate::rules::Finding;

pub struct UserIndex<'a> {
    findings: BTreeMap<&'a str, Vec<&'a Finding>>,
    unread: BTreeSet<&'a str>,
}

impl<'a> UserIndex<'a> {
    pub fn from_report(report: &'a Report) -> Self {
        let mut findings: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            if let Some(user) = &finding.user {
                findings.entry(user).or_default().push(finding);
            }
        }
        Self { findings, unread: report.faults.iter().filter_map(|fault| fault.user.as_deref()).collect() }
    }

    /// The findings about a user and the user's keys, in the order of the report.
    pub fn findings_of(&self, user: &str) -> &[&'a Finding] {
        self.findings.get(user).map_or(&[], Vec::as_slice)
    }

    /// Whether something about the user could not be read.
    pub fn has_fault(&self, user: &str) -> bool {
        self.unread.contains(user)
    }
}
