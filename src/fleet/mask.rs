//! Masks the access key IDs and account IDs in a fleet's report, before it is rendered: beside colours and markup an ID would not
//! be recognised.

use std::collections::BTreeSet;

use super::finding::{FleetFinding, NotChecked};
use super::merge::{FleetReport, LineDetails};
use crate::iam::ReadFault;
use crate::sanitize::{mask_account_ids, mask_identifiers, mask_key_ids};

impl FleetReport {
    /// Masks every access key ID, and in texts the accounts, which a key ID would reveal. The fields that hold an account
    /// stay whole, for programs.
    #[must_use]
    pub fn mask_key_ids(mut self) -> Self {
        for account in &mut self.accounts {
            mask_details(&mut account.details);
        }
        for repository in &mut self.repositories {
            mask_details(&mut repository.details);
        }
        self.findings = self.findings.into_iter().map(mask_finding).collect();
        self.faults = self.faults.into_iter().map(mask_fault).collect();
        self.remarks = self.remarks.iter().map(|remark| mask_identifiers(remark)).collect();
        self
    }

    /// Masks everything that a person reads: also the accounts that the lines are about.
    #[must_use]
    pub fn mask_for_people(self) -> Self {
        let mut masked = self.mask_key_ids();
        for account in &mut masked.accounts {
            account.id = mask_account_ids(&account.id);
            mask_operations(&mut account.details.faults);
        }
        for repository in &mut masked.repositories {
            repository.accounts = repository.accounts.iter().map(|id| mask_account_ids(id)).collect();
            mask_operations(&mut repository.details.faults);
        }
        mask_operations(&mut masked.faults);
        masked
    }
}

fn mask_details(details: &mut LineDetails) {
    details.findings = std::mem::take(&mut details.findings).into_iter().map(mask_finding).collect();
    details.faults = std::mem::take(&mut details.faults).into_iter().map(mask_fault).collect();
    details.remarks = details.remarks.iter().map(|remark| mask_identifiers(remark)).collect();
    details.not_checked = std::mem::take(&mut details.not_checked).into_iter().map(mask_skipped).collect();
}

fn mask_skipped(skipped: NotChecked) -> NotChecked {
    NotChecked { reason: mask_identifiers(&skipped.reason), ..skipped }
}

/// A fault of a fleet names its account as what was done.
fn mask_operations(faults: &mut BTreeSet<ReadFault>) {
    let masked = |fault: ReadFault| ReadFault { operation: mask_account_ids(&fault.operation), ..fault };
    *faults = std::mem::take(faults).into_iter().map(masked).collect();
}

fn mask_finding(finding: FleetFinding) -> FleetFinding {
    FleetFinding {
        access_key_id: finding.access_key_id.as_deref().map(mask_key_ids),
        message: mask_identifiers(&finding.message),
        help: mask_identifiers(&finding.help),
        exemption_reason: finding.exemption_reason.as_deref().map(mask_identifiers),
        ..finding
    }
}

fn mask_fault(fault: ReadFault) -> ReadFault {
    let (operation, message) = (mask_key_ids(&fault.operation), mask_identifiers(&fault.message));
    ReadFault { operation, message, ..fault }
}
