//! Plans the change of a composite action: its steps assume the role, and the inputs for the key go.

use std::collections::BTreeSet;

use super::callees::find_named_fields;
use super::edit::{edit_steps, fill_placeholders, remove_all_or_some};
use super::job::{JobChange, JobContext, LeftPlace, plan_job};
use super::key_uses::{ReadKind, collect_reads, has_alias, list_named_reads};
use super::request::MigrationRequest;
use super::secret_reads::{KeyContext, read_expression};
use super::text_edit::{EditError, TextEditor};
use super::verify::is_only_action_migration;
use super::workflow::{WorkflowPlan, find_duplicate_key};
use crate::repository::JobEnvironment;
use crate::yaml::{YamlNode, parse_editable};

const INPUTS: &str = "inputs";

/// Plans the change of an action that gets the key under these names, which are in upper case.
pub fn plan_action(text: &str, request: &MigrationRequest<'_>, names: &BTreeSet<String>) -> WorkflowPlan {
    let file = match parse_editable(text) {
        Ok(file) => file,
        Err(error) => return WorkflowPlan::left_alone(LeftPlace::new(error.at, error.to_string())),
    };
    let [root] = &file.roots[..] else { return WorkflowPlan::default() };
    let secrets = request.secrets.of_callee(KeyContext::Inputs, names.iter().cloned());
    let request = MigrationRequest { secrets: &secrets, ..*request };
    match change_action(text, root, &request, names) {
        Ok((text, reaches_more_steps)) => {
            WorkflowPlan { text, reaches_more_steps, ..WorkflowPlan::default() }
        }
        Err(left) => WorkflowPlan { left, ..WorkflowPlan::default() },
    }
}

/// Fills in the account of a role that an earlier run did not know.
pub fn fill_action(text: &str, request: &MigrationRequest<'_>) -> Option<String> {
    let file = parse_editable(text).ok()?;
    let runs = file.roots.first()?.get("runs")?;
    let mut editor = TextEditor::new(text);
    fill_placeholders(&mut editor, runs, request);
    editor.finish().filter(|changed| changed != text)
}

fn change_action(
    text: &str,
    root: &YamlNode,
    request: &MigrationRequest<'_>,
    names: &BTreeSet<String>,
) -> Result<(Option<String>, bool), Vec<LeftPlace>> {
    let runs = root.get("runs").filter(|runs| is_composite(runs));
    let Some(runs) = runs else {
        return Err(vec![LeftPlace::new(
            root.at,
            "the action is a program, which has to assume the role itself",
        )]);
    };
    if let Some(key) = find_duplicate_key(root) {
        let name = key.scalar_text().unwrap_or_default();
        return Err(vec![LeftPlace::new(key.at, format!("`{name}` is here a second time"))]);
    }
    let left = explain_obstacles(root, runs, request);
    if !left.is_empty() {
        return Err(left);
    }
    let lookup = TextEditor::new(text);
    let context = JobContext {
        editor: &lookup,
        secrets: request.secrets,
        callees: request.callees,
        root,
        job: runs,
        environment: JobEnvironment::None,
        outer_key: None,
        region: request.region,
    };
    let change = plan_job(&context)?;
    let mut editor = TextEditor::new(text);
    edit_action(&mut editor, (root, runs), request, (&change, names))
        .map_err(|error| vec![LeftPlace::new(error.at, error.reason)])?;
    let changed = editor
        .finish()
        .filter(|changed| is_only_action_migration(root, changed, request, change.handled.len()));
    match changed {
        Some(changed) => {
            let text = if changed == text { None } else { Some(changed) };
            Ok((text, change.reaches_more_steps))
        }
        None => {
            let reason = "keytide cannot edit this file without a change of something else";
            Err(vec![LeftPlace::new(root.at, reason)])
        }
    }
}

fn is_composite(runs: &YamlNode) -> bool {
    runs.get("using")
        .and_then(YamlNode::scalar_text)
        .is_some_and(|using| using.eq_ignore_ascii_case("composite"))
}

/// What reads the key elsewhere than in the steps, or in a way that only an action knows.
fn explain_obstacles(root: &YamlNode, runs: &YamlNode, request: &MigrationRequest<'_>) -> Vec<LeftPlace> {
    let mut left = Vec::new();
    if has_alias(root) {
        left.push(LeftPlace::new(root.at, "an alias may repeat the key elsewhere in this action"));
    }
    for field in root.fields().iter().filter(|field| !matches!(field.name(), "runs" | INPUTS)) {
        for (at, _) in list_named_reads(&field.value, request.secrets) {
            left.push(LeftPlace::new(at, "the action hands the key on"));
        }
    }
    for step in runs.get("steps").map(YamlNode::items).unwrap_or_default() {
        // Here an expression needs no `${{ }}`.
        let Some(condition) = step.get("if") else { continue };
        let reads = read_expression(condition.scalar_text().unwrap_or_default(), KeyContext::Inputs);
        if reads.is_computed || reads.names.iter().any(|name| request.secrets.has_name(name)) {
            left.push(LeftPlace::new(condition.at, "the condition of the step reads the key"));
        }
    }
    let mut reads = Vec::new();
    collect_reads(runs, request.secrets, &JobEnvironment::None, &mut reads);
    for read in reads.iter().filter(|read| read.kind == ReadKind::ComputedName) {
        left.push(LeftPlace::new(read.at, "the name of the input is computed, so it may be the key"));
    }
    left
}

fn edit_action(
    editor: &mut TextEditor<'_>,
    (root, runs): (&YamlNode, &YamlNode),
    request: &MigrationRequest<'_>,
    (change, names): (&JobChange<'_>, &BTreeSet<String>),
) -> Result<(), EditError> {
    edit_steps(editor, runs, change, request)?;
    let Some(inputs) = root.get(INPUTS) else { return Ok(()) };
    remove_all_or_some(editor, root, INPUTS, &find_named_fields(inputs, names))
}
