//! Reports the problems inside the destinations' files, for the rules that are about such a kind of problem.

use super::finding::FileLocation;
use super::findings::FindingCollector;
use super::input::RuleInput;
use super::key_references::entry_user;
use super::meta::RuleMeta;
use crate::destinations::{FileDestination, ProblemKind, as_file};
use crate::policy::UserPolicy;
use crate::repository::FileContent;

/// Adds a finding for each problem of one kind in the files of all destinations. A file that is absent is for another rule.
pub fn report_all_problems(
    findings: &mut FindingCollector<'_>,
    input: &RuleInput<'_>,
    rule: &'static RuleMeta,
    kind: ProblemKind,
) {
    let Some(files) = input.files else { return };
    for entry in &input.policy.users {
        for destination in entry.destinations.iter().filter_map(as_file) {
            let name = destination.credential_file();
            match files.destinations.get(name) {
                Some(FileContent::Bytes(bytes)) => {
                    report_problems(findings, (rule, kind), (entry, destination), (name, bytes));
                }
                Some(FileContent::Unreadable(why)) => {
                    findings.skip_rule(rule, format!("`{name}` cannot be read: {why}"));
                }
                _ => {}
            }
        }
    }
}

/// Adds a finding for each problem of one kind in the destination's file.
pub fn report_problems(
    findings: &mut FindingCollector<'_>,
    (text, what): (&'static RuleMeta, ProblemKind),
    (entry, destination): (&UserPolicy, &dyn FileDestination),
    (name, bytes): (&str, &[u8]),
) {
    for problem in destination.inspect_file(bytes).problems.into_iter().filter(|problem| problem.kind == what)
    {
        let place = FileLocation { file: name.to_owned(), at: problem.at };
        findings.add_file_finding(
            text,
            (entry_user(entry), &problem.message),
            place,
            problem.message.clone(),
        );
    }
}
