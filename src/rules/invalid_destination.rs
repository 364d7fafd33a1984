//! `invalid-destination`: the file of a destination is not a valid encrypted file.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::ProblemKind;

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
        report_problems::report_all_problems(findings, input, &META, ProblemKind::Invalid);
    }
}
