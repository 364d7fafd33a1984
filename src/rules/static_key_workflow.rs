//! `static-key-workflow`: a CI workflow uses a static access key where it could assume a role.

use std::collections::BTreeSet;

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::{RepositoryFiles, ScannedFile, StaticKeyUse};

pub struct StaticKeyWorkflow;

static META: RuleMeta = RuleMeta {
    name: "static-key-workflow",
    severity: Severity::Note,
    required_input: RequiredInput::Files,
    summary: "a CI workflow uses a static access key where it could assume a role",
    rationale: "A workflow can get credentials for one hour by OIDC; a key that does not exist cannot leak.",
    remediation: "Give the job `permissions: id-token: write` and the action `role-to-assume`, then remove the key. `keytide iam-policy --for audit --trust` prints a trust policy to start from.",
};

impl Rule for StaticKeyWorkflow {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(files) = input.files else { return };
        for file in &files.found {
            for key in &file.static_keys {
                let (subject, message) = describe_use(&key.usage);
                findings.add_line_finding(&META, (file, key.at), (None, subject), message);
            }
            for inherited in &file.inherited_secrets {
                if uses_static_key(files, &inherited.workflow, &mut BTreeSet::new()) {
                    let message = format!(
                        "`secrets: inherit` passes a static access key to `{}`; it could assume a role instead",
                        inherited.workflow
                    );
                    findings.add_line_finding(
                        &META,
                        (file, inherited.at),
                        (None, &inherited.workflow),
                        message,
                    );
                }
            }
        }
    }
}

/// What a finding is about, and its message.
fn describe_use(usage: &StaticKeyUse) -> (&str, String) {
    match usage {
        StaticKeyUse::Action(action) => {
            (action, format!("`{action}` gets a static access key; it could assume a role instead"))
        }
        StaticKeyUse::Variable(name) => {
            (name, format!("`{name}` is set to a static access key; the job could assume a role instead"))
        }
        StaticKeyUse::Script(name) => {
            (name, format!("a script passes a static access key to `{name}`; it could assume a role instead"))
        }
        StaticKeyUse::Workflow(workflow) => {
            (workflow, format!("`{workflow}` gets a static access key; it could assume a role instead"))
        }
        StaticKeyUse::Unreadable(message) => {
            ("", format!("cannot tell whether it uses static access keys: it is not valid YAML ({message})"))
        }
    }
}

/// Whether a workflow of the repository, or one that it passes its secrets to, uses a static key.
fn uses_static_key<'a>(files: &'a RepositoryFiles, workflow: &'a str, seen: &mut BTreeSet<&'a str>) -> bool {
    // Two workflows can call each other.
    if !seen.insert(workflow) {
        return false;
    }
    let is_called = |file: &&ScannedFile| file.file == workflow && file.commit.is_none();
    let Some(called) = files.found.iter().find(is_called) else { return false };
    let is_use = |usage: &StaticKeyUse| !matches!(usage, StaticKeyUse::Unreadable(_));
    called.static_keys.iter().any(|key| is_use(&key.usage))
        || called.inherited_secrets.iter().any(|inherited| uses_static_key(files, &inherited.workflow, seen))
}
