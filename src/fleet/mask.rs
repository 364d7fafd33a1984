//! Masks the access key IDs in a fleet's report, before it is rendered with colours.

use super::finding::FleetFinding;
use super::merge::{FleetReport, LineDetails};
use crate::iam::ReadFault;
use crate::sanitize::mask_key_ids;

impl FleetReport {
    /// Masks every access key ID in every text. The accounts are what a fleet is about, and stay whole.
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
        self.remarks = self.remarks.iter().map(|remark| mask_key_ids(remark)).collect();
        self
    }
}

fn mask_details(details: &mut LineDetails) {
    details.findings = std::mem::take(&mut details.findings).into_iter().map(mask_finding).collect();
    details.faults = std::mem::take(&mut details.faults).into_iter().map(mask_fault).collect();
    details.remarks = details.remarks.iter().map(|remark| mask_key_ids(remark)).collect();
}

fn mask_finding(finding: FleetFinding) -> FleetFinding {
    FleetFinding {
        access_key_id: finding.access_key_id.as_deref().map(mask_key_ids),
        message: mask_key_ids(&finding.message),
        help: mask_key_ids(&finding.help),
        exemption_reason: finding.exemption_reason.as_deref().map(mask_key_ids),
        ..finding
    }
}

fn mask_fault(fault: ReadFault) -> ReadFault {
    let (operation, message) = (mask_key_ids(&fault.operation), mask_key_ids(&fault.message));
    ReadFault { operation, message, ..fault }
}
