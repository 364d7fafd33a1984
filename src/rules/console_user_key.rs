//! `console-user-key`: a user with a console password has access keys.

use super::{Facts, Input, Rule, Severity, Text, Verdict};
use crate::inventory::SourcedFact;

pub struct ConsoleUserKey;

static TEXT: Text = Text {
    name: "console-user-key",
    severity: Severity::Warning,
    input: Input::Account,
    finds: "a user with a console password has access keys",
    why: "A person's password and a program's key in one user cannot be limited, watched or taken away apart.",
    fix: "Give the program a user or a role of its own, and the person short-lived credentials.",
};

impl Rule for ConsoleUserKey {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for (entry, user) in facts.listed() {
            let has_keys = user.keys.iter().any(|key| key.status.can_sign());
            match &user.console_password {
                SourcedFact::Known(true, _) if has_keys => {
                    let message =
                        "this user can sign in to the console and has active access keys".to_owned();
                    verdict.add_user(&TEXT, &user.name, entry.at, message);
                }
                SourcedFact::Unknown(_) if has_keys => {
                    verdict.skip(&TEXT, "only the credential report tells; audit with `--source report` or allow it to be read");
                }
                _ => {}
            }
        }
    }
}
