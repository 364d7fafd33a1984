//! Masks the access key IDs and the account IDs in a fleet's report, before it is rendered with colours.

use super::finding::FleetFinding;
use super::merge::{FleetReport, LineDetails};
use crate::iam::ReadFault;
use crate::sanitize::mask_identifiers;

impl FleetReport {
    /// Masks every identifier in every text.
    #[must_use]
    pub fn mask_identifiers(mut self) -> Self {
        for account in &mut self.accounts {
            account.id = mask_identifiers(&account.id);
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
}

fn mask_details(details: &mut LineDetails) {
    details.findings = std::mem::take(&mut details.findings).into_iter().map(mask_finding).collect();
    details.faults = std::mem::take(&mut details.faults).into_iter().map(mask_fault).collect();
    details.remarks = details.remarks.iter().map(|remark| mask_identifiers(remark)).collect();
}

fn mask_finding(finding: FleetFinding) -> FleetFinding {
    FleetFinding {
        access_key_id: finding.access_key_id.as_deref().map(mask_identifiers),
        message: mask_identifiers(&finding.message),
        help: mask_identifiers(&finding.help),
        exemption_reason: finding.exemption_reason.as_deref().map(mask_identifiers),
        ..finding
    }
}

fn mask_fault(fault: ReadFault) -> ReadFault {
    let (operation, message) = (mask_identifiers(&fault.operation), mask_identifiers(&fault.message));
    ReadFault { operation, message, ..fault }
}
