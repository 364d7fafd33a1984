//! `missing-destination`: a destination names a file, or a value in a file, that does not exist.

use super::key_references::{entry_user, find_lock_file};
use super::{
    FileLocation, FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity, report_problems,
};
use crate::destinations::{ProblemKind, as_file};
use crate::repository::FileContent;

pub struct MissingDestination;

static META: RuleMeta = RuleMeta {
    name: "missing-destination",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a destination names a file, or a value in a file, that does not exist; a warning where the first rotation makes the file",
    rationale: "A rotation would write the new key where no application reads it, or fail.",
    remediation: "Correct the path in the policy file, or add what it names.",
};

/// Offline it is not known whether the user has a key already.
const MADE_LATER: &str = "If the user has no key in this file yet, the first rotation makes the file: there is nothing to do. Otherwise correct the path.";

impl Rule for MissingDestination {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(files) = input.files else { return };
        for entry in &input.policy.users {
            for (destination, at) in entry.destinations.iter().zip(&entry.destination_positions) {
                let Some(destination) = as_file(destination) else { continue };
                for (index, name) in destination.required_files().into_iter().enumerate() {
                    match files.destinations.get(name) {
                        // The file of a key that goes is to be removed
                        Some(FileContent::Absent) if entry.retire.is_some() => {}
                        Some(FileContent::Absent) => {
                            let message = format!(
                                "the {} destination names `{name}`, which does not exist",
                                destination.kind_name()
                            );
                            let place = FileLocation { file: input.policy.file.clone(), at: *at };
                            let finding =
                                findings.add_file_finding(&META, (entry_user(entry), name), place, message);
                            // A lock file shows that a rotation has made the file before
                            let is_first = entry.rotation.is_some()
                                && entry_user(entry)
                                    .is_some_and(|user| find_lock_file(input, user).is_none());
                            if index == 0 && is_first && destination.is_made_by_rotation() {
                                finding.set_severity(Severity::Warning).set_help(MADE_LATER.to_owned());
                            }
                        }
                        Some(FileContent::Bytes(bytes)) if index == 0 => {
                            report_problems::report_problems(
                                findings,
                                (&META, &[ProblemKind::Missing]),
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
}
