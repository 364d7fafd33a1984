//! Edits the text of a workflow or an action as its plan says.

use super::action_steps::{CONFIGURE_ACTION, CONFIGURE_COMMIT, CONFIGURE_VERSION, is_configure_step};
use super::job::{JobChange, StepInsertion};
use super::request::MigrationRequest;
use super::text_edit::{EditError, TextEditor};
use crate::policy::PLACEHOLDER;
use crate::yaml::YamlNode;

/// Changes the steps of a job or of an action.
pub fn edit_steps(
    editor: &mut TextEditor<'_>,
    job: &YamlNode,
    change: &JobChange<'_>,
    request: &MigrationRequest<'_>,
) -> Result<(), EditError> {
    for (owner, indexes) in &change.variables {
        remove_all_or_some(editor, owner, "env", indexes)?;
    }
    for (step, indexes) in &change.roles {
        let Some((with, (first, others))) = step.get("with").zip(indexes.split_first()) else { continue };
        editor.rename_field(&with.fields()[*first], "role-to-assume", &quote(request.role_arn));
        editor.remove_fields(with, others)?;
    }
    for (owner, field, indexes) in &change.inputs {
        remove_all_or_some(editor, owner, field, indexes)?;
    }
    if let Some(insertion) = &change.insertion {
        insert_step(editor, insertion, job, request);
    }
    Ok(())
}

/// Removes fields of a mapping that is itself a field of its owner, or all of it if no other is left.
pub fn remove_all_or_some(
    editor: &mut TextEditor<'_>,
    owner: &YamlNode,
    name: &str,
    indexes: &[usize],
) -> Result<(), EditError> {
    let Some(index) = owner.fields().iter().position(|field| field.name() == name) else { return Ok(()) };
    let map = &owner.fields()[index].value;
    if !indexes.is_empty() && map.fields().len() == indexes.len() {
        return editor.remove_fields(owner, &[index]);
    }
    editor.remove_fields(map, indexes)
}

/// The input of a step that assumes the role.
pub fn find_role<'n>(step: &'n YamlNode, request: &MigrationRequest<'_>) -> Option<&'n YamlNode> {
    let role = step.get("with")?.get("role-to-assume")?;
    let suffix = format!(":role/{}", request.role_name);
    let is_same = role.scalar_text().is_some_and(|text| text.ends_with(&suffix));
    if is_configure_step(step) && is_same { Some(role) } else { None }
}

/// The account of a role that an earlier run did not know, in the steps of a job or of an action.
pub fn fill_placeholders(editor: &mut TextEditor<'_>, job: &YamlNode, request: &MigrationRequest<'_>) {
    for step in job.get("steps").map(YamlNode::items).unwrap_or_default() {
        let role = find_role(step, request);
        let Some((role, text)) = role.and_then(|role| Some((role, role.scalar_text()?))) else { continue };
        if text.contains(PLACEHOLDER) && text != request.role_arn {
            editor.replace_value(role, request.role_arn);
        }
    }
}

/// A comma ends a value in brackets.
fn quote(arn: &str) -> String {
    if arn.contains(',') { format!("'{arn}'") } else { arn.to_owned() }
}

fn insert_step(
    editor: &mut TextEditor<'_>,
    insertion: &StepInsertion<'_>,
    job: &YamlNode,
    request: &MigrationRequest<'_>,
) {
    let step = insertion.before;
    let dash = editor.line_before(step.range.start).to_owned();
    let indent = " ".repeat(editor.indent_of(step));
    let depth = editor.nested_step(step).unwrap_or_else(|| editor.indent_step(job));
    let inner = format!("{indent}{}", " ".repeat(depth));
    let mut lines = vec![format!("{dash}uses: {CONFIGURE_ACTION}@{CONFIGURE_COMMIT} # {CONFIGURE_VERSION}")];
    if step.get("name").is_some() {
        lines[0] = format!("{dash}name: Assume the AWS role");
        lines.push(format!("{indent}uses: {CONFIGURE_ACTION}@{CONFIGURE_COMMIT} # {CONFIGURE_VERSION}"));
    }
    lines.extend(insertion.condition.map(|condition| format!("{indent}if: {condition}")));
    lines.push(format!("{indent}with:"));
    lines.push(format!("{inner}role-to-assume: {}", quote(request.role_arn)));
    lines.push(format!("{inner}aws-region: {}", insertion.region));
    let at = editor.comment_start(step.range.start);
    if editor.has_empty_line_above(at) {
        lines.push(String::new());
    }
    editor.insert_lines_before(at, &lines);
}
