//! Reads the configuration of CircleCI: parameters of orbs' commands, `environment:` and `run:`. Secrets are variables of a
//! context or of the project, which the file does not set.

use super::gitlab::assumes_role;
use super::key_names::{is_for_another_credential, is_key_id_literal, static_fields};
use super::script::{Script, search_script};
use super::usage::{CiKeys, StaticKey, StaticKeyUse};
use crate::diagnostic::SourceText;
use crate::yaml::{YamlField, YamlNode};

/// Collects the keys of a file.
pub fn collect_keys(source: &SourceText<'_>, root: &YamlNode, found: &mut CiKeys) {
    // Where one step assumes a role, the variables hold a temporary credential in the steps after it.
    let has_role = assumes_role(root) || names_role(root);
    collect_from(source, root, has_role, found);
}

fn names_role(node: &YamlNode) -> bool {
    let mut fields = node.fields().iter();
    fields.any(|field| {
        matches!(field.name(), "role_arn" | "role-arn" | "oidc_role_arn") || names_role(&field.value)
    }) || node.items().iter().any(names_role)
}

fn collect_from(source: &SourceText<'_>, node: &YamlNode, has_role: bool, found: &mut CiKeys) {
    for item in node.items() {
        collect_from(source, item, has_role, found);
    }
    for field in node.fields() {
        match field.name() {
            "run" => collect_run(source, &field.value, has_role, found),
            "environment" => collect_environment(&field.value, found),
            "aws_auth" => collect_command("aws_auth", &field.value, found),
            name => {
                if name.contains('/') {
                    collect_command(name, &field.value, found);
                }
                collect_from(source, &field.value, has_role, found);
            }
        }
    }
}

fn collect_run(source: &SourceText<'_>, run: &YamlNode, has_role: bool, found: &mut CiKeys) {
    if let Some(environment) = run.get("environment") {
        collect_environment(environment, found);
    }
    let script = run.get("command").unwrap_or(run);
    if script.scalar_text().is_none() {
        return;
    }
    // What the file does not set comes from a context or the project, under any name
    let is_static_variable = |_: &str| !has_role;
    search_script(&Script { source, node: script, is_static_variable: &is_static_variable }, found);
}

fn collect_environment(environment: &YamlNode, found: &mut CiKeys) {
    if is_for_another_credential(environment.fields()) {
        return;
    }
    for field in static_fields(environment.fields(), &is_parameter_or_key) {
        let usage = StaticKeyUse::Variable(field.name().to_owned());
        found.keys.push(StaticKey { at: field.key.at, usage });
    }
}

/// CircleCI does not expand variables in `environment:`, only its own parameters.
fn is_parameter_or_key(_: &YamlField, value: &str) -> bool {
    value.contains("<<") || is_key_id_literal(value)
}

/// A command of an orb takes the name of the variable that holds the key.
fn collect_command(command: &str, parameters: &YamlNode, found: &mut CiKeys) {
    if names_role(parameters) || is_for_another_credential(parameters.fields()) {
        return;
    }
    if let Some(field) = static_fields(parameters.fields(), &is_variable_or_parameter).first() {
        found.keys.push(StaticKey { at: field.key.at, usage: StaticKeyUse::Action(command.to_owned()) });
    }
}

fn is_variable_or_parameter(_: &YamlField, value: &str) -> bool {
    let name = value.trim_start_matches('$').trim_matches(['{', '}']);
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    !name.is_empty() && (is_name || value.contains("<<") || is_key_id_literal(value))
}
