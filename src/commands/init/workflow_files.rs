//! The workflows that `keytide init` writes. docs/start.md and docs/rotation.md show the same texts.

use crate::policy::PLACEHOLDER;

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

/// The policy file, and whether the action finds it without an input.
pub struct PolicyPath {
    pub path: String,
    pub is_default: bool,
}

impl WorkflowFile {
    /// Returns the text for an account and a policy file.
    pub fn render(&self, account: Option<&str>, policy: &PolicyPath) -> String {
        let mut text = self.text.replace(ACCOUNT, account.unwrap_or(PLACEHOLDER));
        if policy.path == DEFAULT_PATH {
            return text;
        }
        let quoted = serde_json::to_string(&policy.path).unwrap_or_default();
        text = text.replace(POLICY_PATHS, &format!("    paths: [{quoted}]\n"));
        if policy.is_default {
            return text;
        }
        let Some(step) = text.find("uses: OWNER/keytide@") else { return text };
        if let Some(inputs) = text[step..].find(INPUTS) {
            text.insert_str(step + inputs + INPUTS.len(), &format!("          policy: {quoted}\n"));
        }
        text
    }
}
