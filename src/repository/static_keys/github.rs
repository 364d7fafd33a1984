//! Reads workflows and actions of GitHub: `env:` of workflow, job, container and step, `with:` of actions, `run:`, and the
//! `secrets:` of reusable workflows.

use std::rc::Rc;

use super::key_names::{
    VariableIndex, index_variables, is_for_another_credential, is_key_id_literal, names_key_id, names_secret,
    static_fields,
};
use super::script::{Script, is_static_expression, search_script};
use super::usage::{CiKeys, InheritedSecrets, StaticKey, StaticKeyUse};
use crate::diagnostic::SourceText;
use crate::yaml::{YamlField, YamlNode};

/// The inputs for an access key ID (aws-actions/configure-aws-credentials, `action.yml`, and others).
const KEY_ID_INPUTS: [&str; 2] = ["aws-access-key-id", "aws_access_key_id"];
/// Other clouds have inputs of this name as well, so that the action has to be one for AWS.
const GENERAL_INPUTS: [&str; 2] = ["access-key-id", "access_key_id"];

/// The `env:` mappings around a step. Each is read once, and many steps have the same ones around them.
#[derive(Clone, Default)]
struct Environments<'n> {
    /// The variables of each, the outermost first.
    variables: Vec<Rc<VariableIndex<'n>>>,
    /// Whether one of them is for a temporary credential, or for another service than AWS.
    is_for_another_credential: bool,
}

/// Collects the keys of a workflow or an action.
pub fn collect_keys(source: &SourceText<'_>, root: &YamlNode, found: &mut CiKeys) {
    let mut outer = Environments::default();
    enter_environment(root, &mut outer, found);
    for job in root.get("jobs").map(YamlNode::fields).unwrap_or_default() {
        let job = &job.value;
        let mut environments = outer.clone();
        enter_environment(job, &mut environments, found);
        let services = job.get("services").map(YamlNode::fields).unwrap_or_default();
        for container in job.get("container").into_iter().chain(services.iter().map(|field| &field.value)) {
            enter_environment(container, &mut environments.clone(), found);
        }
        collect_called_workflow(job, found);
        collect_steps(source, job, &environments, found);
    }
    if let Some(runs) = root.get("runs") {
        enter_environment(runs, &mut outer, found);
        collect_steps(source, runs, &outer, found);
    }
}

fn collect_steps(source: &SourceText<'_>, owner: &YamlNode, outer: &Environments<'_>, found: &mut CiKeys) {
    for step in owner.get("steps").map(YamlNode::items).unwrap_or_default() {
        let mut environments = outer.clone();
        enter_environment(step, &mut environments, found);
        if let (Some(action), Some(with)) =
            (step.get("uses").and_then(YamlNode::scalar_text), step.get("with"))
        {
            collect_inputs(action, with, &environments, found);
        }
        if let Some(run) = step.get("run") {
            let is_static_variable = |name: &str| is_unreported_secret(name, &environments);
            search_script(&Script { source, node: run, is_static_variable: &is_static_variable }, found);
        }
    }
}

/// Adds the static keys of the `env:` of a workflow, job, container or step.
fn enter_environment<'n>(owner: &'n YamlNode, environments: &mut Environments<'n>, found: &mut CiKeys) {
    let Some(environment) = owner.get("env") else { return };
    environments.variables.push(Rc::new(index_variables(environment.fields())));
    environments.is_for_another_credential |= is_for_another_credential(environment.fields());
    if environments.is_for_another_credential {
        return;
    }
    for field in static_fields(environment.fields(), &|_, value| is_static(value)) {
        let usage = StaticKeyUse::Variable(field.name().to_owned());
        found.keys.push(StaticKey { at: field.key.at, usage });
    }
}

fn is_static(value: &str) -> bool {
    is_static_expression(value) || is_key_id_literal(value)
}

fn collect_inputs(action: &str, with: &YamlNode, environments: &Environments<'_>, found: &mut CiKeys) {
    // A session token means a short-lived credential, which is what the rule asks for.
    if is_for_another_credential(with.fields()) {
        return;
    }
    let is_for_aws = ["aws", "amazon", "s3"].iter().any(|word| action.to_lowercase().contains(word));
    let is_static_input = |field: &YamlField, value: &str| {
        is_static(value) || is_key_id_input(field, is_for_aws) && is_environment_value(value, environments)
    };
    let named = with.fields().iter().find(|field| {
        is_key_id_input(field, is_for_aws)
            && field.value.scalar_text().is_some_and(|value| is_static_input(field, value))
    });
    let fields = named.map_or_else(|| static_fields(with.fields(), &is_static_input), |field| vec![field]);
    // One step passes one credential.
    if let Some(field) = fields.first() {
        found.keys.push(StaticKey { at: field.key.at, usage: StaticKeyUse::Action(action.to_owned()) });
    }
}

fn is_key_id_input(field: &YamlField, is_for_aws: bool) -> bool {
    let name = field.name().to_lowercase();
    KEY_ID_INPUTS.contains(&name.as_str()) || is_for_aws && GENERAL_INPUTS.contains(&name.as_str())
}

/// Whether the value is `${{ env.NAME }}` of a variable that is not reported at its own place.
fn is_environment_value(value: &str, environments: &Environments<'_>) -> bool {
    let Some((_, rest)) = value.split_once("env.").filter(|_| value.contains("${{")) else { return false };
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    find_variable(&rest[..end], environments).is_none() || is_unreported_secret(&rest[..end], environments)
}

/// Whether a variable holds a secret, under a name that does not say that it is a key.
fn is_unreported_secret(name: &str, environments: &Environments<'_>) -> bool {
    let Some(value) = find_variable(name, environments) else { return false };
    let is_reported = [name, value].iter().any(|text| names_key_id(text) || names_secret(text));
    is_static_expression(value) && !is_reported
}

fn find_variable<'n>(name: &str, environments: &Environments<'n>) -> Option<&'n str> {
    environments.variables.iter().rev().find_map(|variables| variables.get(name)?.scalar_text())
}

/// The `secrets:` of a job that calls a reusable workflow.
fn collect_called_workflow(job: &YamlNode, found: &mut CiKeys) {
    let Some(workflow) = job.get("uses").and_then(YamlNode::scalar_text) else { return };
    let Some(secrets) = job.fields().iter().find(|field| field.name() == "secrets") else { return };
    if secrets.value.scalar_text() == Some("inherit") {
        // The secrets that a workflow of another repository reads are not known.
        if let Some(path) = workflow.strip_prefix("./") {
            let inherited = InheritedSecrets { at: secrets.key.at, workflow: path.to_owned() };
            found.inherited.push(inherited);
        }
        return;
    }
    if is_for_another_credential(secrets.value.fields()) {
        return;
    }
    for field in static_fields(secrets.value.fields(), &|_, value| is_static(value)) {
        found.keys.push(StaticKey { at: field.key.at, usage: StaticKeyUse::Workflow(workflow.to_owned()) });
    }
}
