//! `unfilled-placeholder`: a file that `keytide init` wrote still has a placeholder.

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::PlaceholderKind;

pub struct UnfilledPlaceholder;

static META: RuleMeta = RuleMeta {
    name: "unfilled-placeholder",
    severity: Severity::Error,
    required_input: RequiredInput::Files,
    summary: "a workflow, the hooks' configuration or the policy file still has a placeholder of `keytide init`",
    rationale: "GitHub rejects a workflow whose action does not exist, and AWS rejects a role without an account: the audit never runs.",
    remediation: "Replace the placeholder as the message says.",
};

impl Rule for UnfilledPlaceholder {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        for file in input.files.into_iter().flat_map(|files| &files.found) {
            for placeholder in &file.placeholders {
                let text = placeholder.kind.text();
                let message = format!("`{text}` is a placeholder");
                findings
                    .add_line_finding(&META, (file, placeholder.at), (None, text), message)
                    .set_help(advise(placeholder.kind));
            }
        }
    }
}

fn advise(kind: PlaceholderKind) -> &'static str {
    match kind {
        PlaceholderKind::Repository => {
            "replace OWNER with the owner of the keytide repository on GitHub that you use"
        }
        PlaceholderKind::Account => {
            "replace it with the account ID of the role, 12 digits: `aws sts get-caller-identity --query Account`"
        }
    }
}
