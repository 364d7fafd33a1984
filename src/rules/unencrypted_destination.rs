//! `unencrypted-destination`: a destination holds the credential in plaintext.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::ProblemKind;

pub struct UnencryptedDestination;

static META: RuleMeta = RuleMeta {
    name: "unencrypted-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a destination holds the credential in plaintext",
    rationale: "Anyone who can read the repository can use a plaintext credential.",
    remediation: "Before a commit: encrypt the file. If plaintext was ever pushed: replace the key, it has leaked.",
};

impl Rule for UnencryptedDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        report_problems::report_all_problems(findings, input, &META, &[ProblemKind::Unencrypted]);
    }
}
