//! `static-key-workflow`: a CI workflow uses a static access key where it could assume a role.

use std::collections::{BTreeMap, BTreeSet};

use super::{FindingCollector, RequiredInput, Rule, RuleInput, RuleMeta, Severity};
use crate::repository::{RepositoryFiles, StaticKey, StaticKeyUse};

pub struct StaticKeyWorkflow;

static META: RuleMeta = RuleMeta {
    name: "static-key-workflow",
    severity: Severity::Note,
    required_input: RequiredInput::Files,
    summary: "a CI workflow uses a static access key where it could assume a role",
    rationale: "A workflow can get credentials for one hour by OIDC; a key that does not exist cannot leak.",
    remediation: "Give the job `permissions: id-token: write` and the action `role-to-assume`, then remove the key. `keytide migrate --user NAME` shows the changes of GitHub's workflows and the role.",
};

impl Rule for StaticKeyWorkflow {
    fn rule_meta(&self) -> &'static RuleMeta {
        &META
    }

    fn collect_findings(&self, input: &RuleInput<'_>, findings: &mut FindingCollector<'_>) {
        let Some(files) = input.files else { return };
        let users = find_users(files);
        for file in &files.found {
            for key in &file.static_keys {
                let (subject, message) = describe_use(&key.usage);
                findings.add_line_finding(&META, (file, key.at), (None, subject), message);
            }
            for inherited in &file.inherited_secrets {
                if users.contains(inherited.workflow.as_str()) {
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
        StaticKeyUse::Unreadable(reason) => {
            ("", format!("cannot tell whether it uses static access keys: {reason}"))
        }
    }
}

/// The workflows of the repository that use a static key, or pass their secrets to one that does.
fn find_users(files: &RepositoryFiles) -> BTreeSet<&str> {
    let present = files.present_files();
    let mut callers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, file) in &present {
        for inherited in &file.inherited_secrets {
            callers.entry(&inherited.workflow).or_default().push(path);
        }
    }
    let direct = present.into_iter().filter(|(_, file)| file.static_keys.iter().any(StaticKey::is_readable));
    let mut pending: Vec<&str> = direct.map(|(path, _)| path).collect();
    let mut users = BTreeSet::new();
    while let Some(path) = pending.pop() {
        // Two workflows can call each other.
        if users.insert(path) {
            pending.extend(callers.get(path).into_iter().flatten());
        }
    }
    users
}
