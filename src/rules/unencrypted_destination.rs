//! `unencrypted-destination`: a destination holds the credential in clear text, or is no sound encrypted file.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems};
use crate::destinations::{ProblemKind, as_file};
use crate::repository::FileContent;

pub struct UnencryptedDestination;

static META: RuleMeta = RuleMeta {
    name: "unencrypted-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a destination holds the credential in clear text, or is no sound encrypted file",
    rationale: "The policy promises that the key lies there encrypted; whoever reads the repository can use it.",
    remediation: "Replace the key, it has leaked; then encrypt the file again before it is committed.",
};

impl Rule for UnencryptedDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, facts: &RuleInput<'_>, verdict: &mut FindingCollector<'_>) {
        let Some(files) = facts.files else { return };
        for entry in &facts.policy.users {
            for destination in entry.destinations.iter().filter_map(as_file) {
                let name = destination.credential_file();
                match files.destinations.get(name) {
                    Some(FileContent::Bytes(bytes)) => {
                        report_problems::report_problems(
                            verdict,
                            (&META, ProblemKind::Unencrypted),
                            (entry, destination),
                            (name, bytes),
                        );
                    }
                    Some(FileContent::Unreadable(why)) => {
                        verdict.skip_rule(&META, format!("`{name}` cannot be read: {why}"))
                    }
                    _ => {}
                }
            }
        }
    }
}
