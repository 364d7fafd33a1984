//! What is wrong inside the file of a destination, told under the rule that speaks of that kind of wrong.

use super::references::user;
use super::{Location, Text, Verdict};
use crate::destinations::{Kept, What};
use crate::policy::UserPolicy;

/// Tells the problems of one kind. `file` is the destination's own, with its name and content.
pub fn tell(
    verdict: &mut Verdict<'_>,
    (text, what): (&'static Text, What),
    (entry, destination): (&UserPolicy, &dyn Kept),
    (name, bytes): (&str, &[u8]),
) {
    for problem in destination.inspect(bytes).problems.into_iter().filter(|problem| problem.what == what) {
        let place = Location { file: name.to_owned(), at: problem.at };
        verdict.add_file(text, (user(entry), &problem.message), place, problem.message.clone());
    }
}
