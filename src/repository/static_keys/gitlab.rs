//! Reads the configuration of GitLab CI/CD: `variables:` at every level, and the scripts. A variable that the file does not
//! set comes from the settings of the project, where it does not change between pipelines.

use super::key_names::{
    VariableIndex, index_variables, is_for_another_credential, is_key_id_literal, names_key_id, names_secret,
    scalar_value, static_fields,
};
use super::script::{Script, read_variable, search_script};
use super::usage::{CiKeys, StaticKey, StaticKeyUse};
use crate::diagnostic::SourceText;
use crate::yaml::{YamlField, YamlNode};

const SCRIPTS: [&str; 3] = ["before_script", "script", "after_script"];

/// Collects the keys of a file.
pub fn collect_keys(source: &SourceText<'_>, root: &YamlNode, found: &mut CiKeys) {
    collect_from(source, root, found);
}

fn collect_from(source: &SourceText<'_>, node: &YamlNode, found: &mut CiKeys) {
    if node.has_anchor {
        collect_shared(source, node, found);
    }
    for item in node.items() {
        collect_from(source, item, found);
    }
    if node.fields().is_empty() {
        return;
    }
    if let Some(variables) = node.get("variables") {
        collect_variables(variables, found);
    }
    collect_scripts(source, node, found);
    for field in node.fields() {
        if field.name() != "variables" && !SCRIPTS.contains(&field.name()) {
            collect_from(source, &field.value, found);
        }
    }
}

/// What jobs take over by an alias: variables, or the lines of a script. Where it is a job, its fields say what they are.
fn collect_shared(source: &SourceText<'_>, node: &YamlNode, found: &mut CiKeys) {
    collect_variables(node, found);
    if !node.items().is_empty() && node.items().iter().all(|item| item.fields().is_empty()) {
        search_scripts(source, &[node], None, found);
    }
}

fn collect_variables(variables: &YamlNode, found: &mut CiKeys) {
    if is_for_another_credential(variables.fields()) {
        return;
    }
    for field in static_fields(variables.fields(), &is_variable_or_key) {
        let usage = StaticKeyUse::Variable(field.name().to_owned());
        found.keys.push(StaticKey { at: field.key.at, usage });
    }
}

fn is_variable_or_key(_: &YamlField, value: &str) -> bool {
    read_variable(value).is_some() || is_key_id_literal(value)
}

fn collect_scripts(source: &SourceText<'_>, job: &YamlNode, found: &mut CiKeys) {
    let scripts: Vec<&YamlNode> = SCRIPTS.iter().filter_map(|name| job.get(name)).collect();
    search_scripts(source, &scripts, job.get("variables"), found);
}

fn search_scripts(
    source: &SourceText<'_>,
    scripts: &[&YamlNode],
    variables: Option<&YamlNode>,
    found: &mut CiKeys,
) {
    if scripts.is_empty() || scripts.iter().any(|script| assumes_role(script)) {
        return;
    }
    let variables = index_variables(variables.map(YamlNode::fields).unwrap_or_default());
    let is_static_variable = |name: &str| is_static_variable(name, &variables);
    for script in scripts {
        for part in merge_lines(script) {
            search_script(&Script { source, node: &part, is_static_variable: &is_static_variable }, found);
        }
    }
}

/// A list of commands is one script: an ID and its secret are set in two of them.
fn merge_lines(script: &YamlNode) -> Vec<YamlNode> {
    let (Some(first), Some(last)) = (script.items().first(), script.items().last()) else {
        return vec![script.clone()];
    };
    let mut all = first.clone();
    all.range = first.range.start..last_line(last).range.end;
    vec![all]
}

/// The last command of a script: lists may be nested, and the range of one is that of its start.
fn last_line(node: &YamlNode) -> &YamlNode {
    node.items().last().map_or(node, last_line)
}

/// Whether a script exchanges the job's token or the key for a temporary credential.
pub fn assumes_role(node: &YamlNode) -> bool {
    let has_call = node.scalar_text().is_some_and(|text| text.contains("assume-role"));
    has_call || node.items().iter().any(assumes_role) || node.fields().iter().any(|f| assumes_role(&f.value))
}

fn is_static_variable(name: &str, variables: &VariableIndex<'_>) -> bool {
    match variables.get(name).copied().and_then(scalar_value) {
        // A key in a variable of the job is reported there.
        Some(value) => read_variable(value).is_some() && !names_key_id(name) && !names_secret(name),
        // What the file does not set comes from the settings of the project, under any name
        None => true,
    }
}
