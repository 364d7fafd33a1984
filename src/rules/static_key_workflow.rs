//! `static-key-workflow`: a workflow passes a static key to an action that could assume a role.

use super::{Facts, Input, Rule, Severity, Text, Verdict};

pub struct StaticKeyWorkflow;

static TEXT: Text = Text {
    name: "static-key-workflow",
    severity: Severity::Note,
    input: Input::Files,
    finds: "a workflow passes a static key to an action that could assume a role",
    why: "A workflow can ask AWS for credentials that last an hour; a key that does not exist cannot leak.",
    fix: "Give the job `permissions: id-token: write` and the action `role-to-assume`, then remove the key; `keytide iam-policy --for audit --trust` shows a trust policy.",
};

impl Rule for StaticKeyWorkflow {
    fn text(&self) -> &'static Text {
        &TEXT
    }

    fn check(&self, facts: &Facts<'_>, verdict: &mut Verdict<'_>) {
        for file in facts.files.into_iter().flat_map(|files| &files.found) {
            for key in &file.static_keys {
                let message =
                    format!("`{}` is given a static access key; a role would need none", key.action);
                verdict.add_in(&TEXT, (file, key.at), (None, &key.action), message);
            }
        }
    }
}
