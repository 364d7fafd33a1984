//! `invalid-destination`: the file of a destination is not a valid encrypted file.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::{ProblemKind, as_file};
use crate::repository::FileContent;

pub struct InvalidDestination;

static META: RuleMeta = RuleMeta {
    name: "invalid-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a destination's file is not a valid encrypted file, so keytide cannot decide whether it is encrypted",
    rationale: "No application can decrypt such a file, and a rotation cannot write to it.",
    remediation: "Restore the file from Git, or correct the destination's kind in the policy file. Only if the file ever held the credential in plaintext: replace the key.",
};

impl Rule for InvalidDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(files) = input.files else { return };
        for entry in &input.policy.users {
            for destination in entry.destinations.iter().filter_map(as_file) {
                let name = destination.credential_file();
                // A file that cannot be read at all is a fault of the run, which the other rules report as well.
                if let Some(FileContent::Bytes(bytes)) = files.destinations.get(name) {
                    let rule = (&META, ProblemKind::Invalid);
                    report_problems::report_problems(findings, rule, (entry, destination), (name, bytes));
                }
            }
        }
    }
}
