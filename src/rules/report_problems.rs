//! Reports the problems inside a destination's file, for the rules that are about such a kind of problem.

use super::finding::FileLocation;
use super::findings::FindingCollector;
use super::key_references::entry_user;
use super::meta::RuleMeta;
use crate::destinations::{FileDestination, ProblemKind};
use crate::policy::UserPolicy;

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
