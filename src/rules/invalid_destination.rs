//! `invalid-destination`: the file of a destination is not a valid encrypted file.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::ProblemKind;

pub struct InvalidDestination;

static META: RuleMeta = RuleMeta {
    name: "invalid-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a destination's file is not a valid encrypted file, or is damaged so that its tool cannot decrypt it",
    rationale: "No application can decrypt such a file, and a rotation cannot write to it. Of a SOPS file this is judged without its data key: its recipients, its metadata, and values in clear text where SOPS expects ciphertext; whether its MAC is right only SOPS can say. Metadata with hardly more than a MAC, as examples have it, is a warning; no rotation takes such a file.",
    remediation: "Restore the file from Git (a SOPS file is sound when `sops decrypt` takes it), or correct the destination's kind in the policy file. Only if the file ever held the credential in plaintext: replace the key.",
};

impl Rule for InvalidDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        report_problems::report_all_problems(
            findings,
            input,
            &META,
            &[ProblemKind::Invalid, ProblemKind::Incomplete],
        );
    }
}
