//! The workflows that `keytide init` writes. docs/start.md and docs/rotation.md show the same texts.

use crate::policy::{Notify, PLACEHOLDER};

/// A workflow, and the path that it is written to.
pub struct WorkflowFile {
    pub path: &'static str,
    text: &'static str,
}

pub const AUDIT: WorkflowFile =
    WorkflowFile { path: ".github/workflows/keytide.yml", text: include_str!("workflows/audit.yml") };
pub const ROTATION: [WorkflowFile; 2] = [
    WorkflowFile { path: ".github/workflows/keytide-rotate.yml", text: include_str!("workflows/rotate.yml") },
    WorkflowFile { path: ".github/workflows/keytide-delete.yml", text: include_str!("workflows/delete.yml") },
];
/// The account and the policy file in the texts.
const ACCOUNT: &str = "123456789012";
const DEFAULT_PATH: &str = ".github/keytide.yml";
const POLICY_PATHS: &str = "    paths: [.github/keytide.yml]\n";
/// Where an action's inputs begin.
const INPUTS: &str = "        with:\n";
/// The step of keytide.
const STEP: &str = "      - uses: OWNER/keytide@";
/// What the permission for issues follows, with its comment.
const OIDC_PERMISSION: &str = "      id-token: write          # to assume the role\n";
const ISSUES_PERMISSION: &str = "      issues: write            # to keep the issue of `notify`\n";

/// The policy file, and whether the action finds it without an input.
pub struct PolicyPath {
    pub path: String,
    pub is_default: bool,
}

/// What a workflow is written for.
pub struct WorkflowSubject<'a> {
    pub account: Option<&'a str>,
    pub policy: &'a PolicyPath,
    pub notify: &'a Notify,
}

impl WorkflowFile {
    /// Returns the text for a policy file.
    pub fn render(&self, subject: &WorkflowSubject<'_>) -> String {
        let policy = subject.policy;
        let mut text = self.text.replace(ACCOUNT, subject.account.unwrap_or(PLACEHOLDER));
        text = add_notify(text, subject.notify);
        if policy.path == DEFAULT_PATH {
            return text;
        }
        let quoted = serde_json::to_string(&policy.path).unwrap_or_default();
        text = text.replace(POLICY_PATHS, &format!("    paths: [{quoted}]\n"));
        if policy.is_default {
            return text;
        }
        insert_in_step(&mut text, INPUTS, &format!("          policy: {quoted}\n"), true);
        text
    }
}

/// Adds the permission for the issue and the variable of the webhook.
fn add_notify(mut text: String, notify: &Notify) -> String {
    if notify.issue.is_some() {
        text = text.replace(OIDC_PERMISSION, &format!("{OIDC_PERMISSION}{ISSUES_PERMISSION}"));
    }
    if let Some(webhook) = &notify.webhook {
        let name = &webhook.url_from.0;
        let line = format!("          {name}: ${{{{ secrets.{name} }}}}\n");
        let env = "        env:\n";
        if !insert_in_step(&mut text, env, &line, true) {
            insert_in_step(&mut text, INPUTS, &format!("{env}{line}"), false);
        }
    }
    text
}

/// Inserts lines before or after a line of keytide's step; returns whether the step has that line.
fn insert_in_step(text: &mut String, line: &str, inserted: &str, is_after: bool) -> bool {
    let Some(step) = text.find(STEP) else { return false };
    let end =
        text[step + STEP.len()..].find("\n      - ").map_or(text.len(), |length| step + STEP.len() + length);
    let Some(found) = text[step..end].find(line) else { return false };
    let at = step + found + if is_after { line.len() } else { 0 };
    text.insert_str(at, inserted);
    true
}
