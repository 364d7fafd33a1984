//! What is wrong inside the file of a destination, told under the rule that speaks of that kind of wrong.

use super::key_references::entry_user;
use super::{FileLocation, FindingCollector, RuleMeta};
use crate::destinations::{FileDestination, ProblemKind};
use crate::policy::UserPolicy;

/// Tells the problems of one kind. `file` is the destination's own, with its name and content.
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
