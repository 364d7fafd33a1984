//! `unencrypted-destination`: a destination holds the credential in plaintext.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::{ProblemKind, as_file};
use crate::repository::FileContent;

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
        let Some(files) = input.files else { return };
        for entry in &input.policy.users {
            for destination in entry.destinations.iter().filter_map(as_file) {
                let name = destination.credential_file();
                match files.destinations.get(name) {
                    Some(FileContent::Bytes(bytes)) => {
                        report_problems::report_problems(
                            findings,
                            (&META, ProblemKind::Unencrypted),
                            (entry, destination),
                            (name, bytes),
                        );
                    }
                    Some(FileContent::Unreadable(why)) => {
                        findings.skip_rule(&META, format!("`{name}` cannot be read: {why}"))
                    }
                    _ => {}
                }
            }
        }
    }
}
