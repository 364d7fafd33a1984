//! `unencrypted-destination`: a destination holds the credential in clear text, or is no sound encrypted file.

use super::references::user;
use super::{Facts, Input, Location, Rule, Severity, Text, Verdict};
use crate::destinations::{What, kept};
use crate::repo::Content;

pub struct UnencryptedDestination;

static TEXT: Text = Text {
    name: "unencrypted-destination",
    severity: Severity::Error,
    input: Input::Files,
    finds: "a destination holds the credential in clear text, or is no sound encrypted file",
    why: "The policy promises that the key lies there encrypted; whoever reads the repository can use it.",
    fix: "Replace the key, it has leaked; then encrypt the file again before it is committed.",
};

impl Rule for UnencryptedDestination {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        let Some(files) = facts.files else { return };
        for entry in &facts.policy.users {
            for destination in entry.destinations.iter().filter_map(kept) {
                let Some(name) = destination.files().first().copied() else { continue };
                match files.destinations.get(name) {
                    Some(Content::Bytes(bytes)) => {
                        for problem in destination.inspect(bytes).problems {
                            if problem.what == What::Unencrypted {
                                let place = Location { file: name.to_owned(), at: problem.at };
                                verdict.add_file(
                                    &TEXT,
                                    (user(entry), &problem.message),
                                    place,
                                    problem.message.clone(),
                                );
                            }
                        }
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
