//! `static-key-workflow`: a workflow passes a static key to an action that could assume a role.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};

pub struct StaticKeyWorkflow;

static META: RuleMeta = RuleMeta {
    name: "static-key-workflow",
    severity: Severity::Note,
    required_input: RequiredInput::Files,
    summary: "a workflow passes a static key to an action that could assume a role",
    rationale: "A workflow can get credentials for one hour by OIDC; a key that does not exist cannot leak.",
    remediation: "Give the job `permissions: id-token: write` and the action `role-to-assume`, then remove the key. `keytide iam-policy --for audit --trust` prints a trust policy to start from.",
};

impl Rule for StaticKeyWorkflow {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for file in input.files.into_iter().flat_map(|files| &files.found) {
            for key in &file.static_keys {
                let message =
                    format!("`{}` gets a static access key; it could assume a role instead", key.action);
                findings.add_line_finding(&META, (file, key.at), (None, &key.action), message);
            }
        }
    }
}
