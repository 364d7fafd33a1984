//! Knows the files of this repository that jobs call: reusable workflows and composite actions, with the names under which
//! they are handed the key.

use std::collections::{BTreeMap, BTreeSet};

use super::key_secrets::{KeySecrets, SecretOwner};
use super::key_uses::jobs_of;
use super::subjects::Triggers;
use crate::repository::{JobEnvironment, read_environment};
use crate::yaml::YamlNode;

/// The called files that come to the role together with all that call them. Any other one is left alone.
#[derive(Debug, Default)]
pub struct Callees {
    /// The names, in upper case, by the path of the workflow.
    pub workflows: BTreeMap<String, BTreeSet<String>>,
    /// The same by the path of the action's file.
    pub actions: BTreeMap<String, BTreeSet<String>>,
    /// The actions that assume the role already.
    pub with_role: BTreeSet<String>,
    /// What starts the jobs that call a workflow.
    pub triggers: BTreeMap<String, Triggers>,
}

impl Callees {
    /// The file that a job or a step calls, if it comes to the role.
    pub fn find_called(&self, caller: &YamlNode) -> Option<&str> {
        let path = called_path(caller)?;
        let workflow = self.workflows.keys().find(|known| **known == path);
        workflow.or_else(|| self.actions.keys().find(|known| is_action_at(known, path))).map(String::as_str)
    }

    /// Whether a step calls an action that assumes the role.
    pub fn calls_role(&self, step: &YamlNode) -> bool {
        called_path(step).is_some_and(|path| self.with_role.iter().any(|known| is_action_at(known, path)))
    }
}

/// A call of a file of this repository.
#[derive(Debug)]
pub struct Call<'n> {
    /// The first byte of the job.
    pub job: usize,
    /// The path from the root of the repository.
    pub path: &'n str,
    /// The job, or the step of a job.
    pub caller: &'n YamlNode,
    pub environment: JobEnvironment,
}

/// Lists the calls of the jobs of a workflow.
pub fn list_calls(root: &YamlNode) -> Vec<Call<'_>> {
    let mut calls = Vec::new();
    for field in jobs_of(root) {
        let job = &field.value;
        let steps = job.get("steps").map(YamlNode::items).unwrap_or_default();
        for caller in std::iter::once(job).chain(steps) {
            if let Some(path) = called_path(caller) {
                let environment = read_environment(job);
                calls.push(Call { job: job.range.start, path, caller, environment });
            }
        }
    }
    calls
}

/// The names, in upper case, under which a call hands on the key.
pub fn list_handed_names(call: &Call<'_>, secrets: &KeySecrets) -> BTreeSet<String> {
    if is_inherited(call.caller) {
        return secrets.list_inherited().collect();
    }
    let handed = call.caller.get("secrets").or_else(|| call.caller.get("with"));
    let mut names = BTreeSet::new();
    for field in handed.map(YamlNode::fields).unwrap_or_default() {
        let secret = field.value.scalar_text().and_then(|text| secrets.find_sole(text));
        if secret.is_some_and(|name| secrets.find_owner(&name, &call.environment) == SecretOwner::User) {
            names.insert(field.name().to_ascii_uppercase());
        }
    }
    names
}

/// Whether a job hands on all secrets.
pub fn is_inherited(job: &YamlNode) -> bool {
    job.get("secrets").and_then(YamlNode::scalar_text) == Some("inherit")
}

/// The fields of a mapping that have one of these names, which are in upper case.
pub fn find_named_fields(map: &YamlNode, names: &BTreeSet<String>) -> Vec<usize> {
    let fields = map.fields().iter().enumerate();
    fields
        .filter(|(_, field)| names.contains(&field.name().to_ascii_uppercase()))
        .map(|(index, _)| index)
        .collect()
}

/// The path from the root of the repository.
fn called_path(caller: &YamlNode) -> Option<&str> {
    own_path(caller.get("uses")?.scalar_text()?)
}

/// What a `uses:` names of this repository: `./PATH` in the checkout, or `$/PATH` in the repository of the workflow.
pub fn own_path(uses: &str) -> Option<&str> {
    let path = uses.strip_prefix("./").or_else(|| uses.strip_prefix("$/"))?;
    Some(path.trim_end_matches('/'))
}

/// Whether a file is the action of a folder.
pub fn is_action_at(file: &str, folder: &str) -> bool {
    let name = if folder.is_empty() {
        Some(file)
    } else {
        file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'))
    };
    name.is_some_and(is_action_name)
}

fn is_action_name(name: &str) -> bool {
    matches!(name, "action.yml" | "action.yaml")
}

/// Whether a path is that of an action.
pub fn is_action_file(path: &str) -> bool {
    is_action_name(path.rsplit('/').next().unwrap_or_default())
}
