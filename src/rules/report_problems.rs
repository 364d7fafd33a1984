//! Reports the problems inside the destinations' files, for the rules that are about such a kind of problem.

use super::finding::FileLocation;
use super::finding::Severity;
use super::findings::FindingCollector;
use super::input::RuleInput;
use super::key_references::entry_user;
use super::meta::RuleMeta;
use crate::destinations::{FileDestination, ProblemKind, as_file};
use crate::policy::UserPolicy;
use crate::repository::FileContent;

/// Adds a finding for each problem of these kinds in the files of all destinations. A file that is absent is for another rule.
pub fn report_all_problems(
    findings: &mut FindingCollector<'_>,
    input: &RuleInput<'_>,
    rule: &'static RuleMeta,
    kinds: &[ProblemKind],
) {
    let Some(files) = input.files else { return };
    for entry in &input.policy.users {
        for destination in entry.destinations.iter().filter_map(as_file) {
            let name = destination.credential_file();
            match files.destinations.get(name) {
                Some(FileContent::Bytes(bytes)) => {
                    report_problems(findings, (rule, kinds), (entry, destination), (name, bytes));
                }
                Some(FileContent::Unreadable(why)) => {
                    findings.skip_rule(rule, format!("`{name}` cannot be read: {why}"));
                }
                _ => {}
            }
        }
    }
}

/// Adds a finding for each problem of these kinds in the destination's file. One that is only incomplete is a warning.
pub fn report_problems(
    findings: &mut FindingCollector<'_>,
    (text, kinds): (&'static RuleMeta, &[ProblemKind]),
    (entry, destination): (&UserPolicy, &dyn FileDestination),
    (name, bytes): (&str, &[u8]),
) {
    let mut problems = destination.inspect_file(bytes).problems;
    problems.retain(|problem| kinds.contains(&problem.kind));
    for problem in problems {
        let place = FileLocation { file: name.to_owned(), at: problem.at };
        let found = (entry_user(entry), &*problem.message);
        let finding = findings.add_file_finding(text, found, place, problem.message.clone());
        if problem.kind == ProblemKind::Incomplete {
            finding.set_severity(Severity::Warning);
        }
    }
}
