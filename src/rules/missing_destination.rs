//! `missing-destination`: a destination names a file, or a value in a file, that is not there.

use super::references::user;
use super::{Facts, Input, Location, Rule, Severity, Text, Verdict, problems};
use crate::destinations::{What, kept};
use crate::repo::Content;

pub struct MissingDestination;

static TEXT: Text = Text {
    name: "missing-destination",
    severity: Severity::Error,
    input: Input::Files,
    finds: "a destination names a file, or a value in a file, that is not there",
    why: "A rotation would put the new key where no application reads it, or fail half-way.",
    fix: "Correct the path in the policy file, or add what it names.",
};

impl Rule for MissingDestination {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let Some(files) = facts.files else { return };
        for entry in &facts.policy.users {
            for destination in entry.destinations.iter().filter_map(kept) {
                for (index, name) in destination.files().into_iter().enumerate() {
                    match files.destinations.get(name) {
                        Some(Content::Absent) => {
                            let message = format!(
                                "the {} destination names `{name}`, which is not there",
                                destination.kind()
                            );
                            let place = Location { file: facts.policy.file.clone(), at: entry.at };
                            verdict.add_file(&TEXT, (user(entry), name), place, message);
                        }
                        Some(Content::Bytes(bytes)) if index == 0 => {
                            problems::tell(
                                verdict,
                                (&TEXT, What::Missing),
                                (entry, destination),
                                (name, bytes),
                            );
                        }
                        Some(Content::Unreadable(why)) => {
                            verdict.skip(&TEXT, format!("`{name}` cannot be read: {why}"))
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
