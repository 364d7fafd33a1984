//! `unencrypted-destination`: a destination holds the credential in clear text, or is no sound encrypted file.

use super::{Facts, Input, Rule, Severity, Text, Verdict, problems};
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
                let name = destination.file();
                match files.destinations.get(name) {
                    Some(Content::Bytes(bytes)) => {
                        problems::tell(
                            verdict,
                            (&TEXT, What::Unencrypted),
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
