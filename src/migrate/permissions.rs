//! Adds `id-token: write` to the permissions of a job and takes none of those that its token has: a job that sets one
//! permission has no default ones any more.

use super::text_edit::{EditError, TextEditor};
use crate::yaml::{NodeKind, YamlField, YamlNode};

/// What the token of a job without `permissions` may do, by the setting of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultToken {
    /// Reads contents and packages.
    Restricted,
    /// Writes everything.
    Permissive,
}

const ID_TOKEN: &str = "id-token";
const WRITE: &str = "write";
/// What a token reads by default ("Permissions for the `GITHUB_TOKEN`" in GitHub's documentation).
const RESTRICTED: [&str; 2] = ["contents", "packages"];
/// All permissions but `id-token`, which no default has, and `models`, which is only ever read.
const ALL: [&str; 13] = [
    "actions",
    "artifact-metadata",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "issues",
    "packages",
    "pages",
    "pull-requests",
    "security-events",
    "statuses",
];

/// The permissions of a token, by name.
pub type Permissions = Vec<(String, String)>;

/// The permissions of a job without a change. Of what is written as it should not be there is nothing.
pub fn effective_permissions(root: &YamlNode, job: &YamlNode, default: DefaultToken) -> Permissions {
    match job.get("permissions").or_else(|| root.get("permissions")) {
        Some(node) => written_permissions(node),
        None => default_permissions(default),
    }
}

fn default_permissions(default: DefaultToken) -> Permissions {
    match default {
        DefaultToken::Restricted => with_access(&RESTRICTED, "read"),
        DefaultToken::Permissive => with_access(&ALL, WRITE),
    }
}

fn with_access(names: &[&str], access: &str) -> Permissions {
    names.iter().map(|name| ((*name).to_owned(), access.to_owned())).collect()
}

fn written_permissions(node: &YamlNode) -> Permissions {
    match node.scalar_text() {
        Some("read-all") => {
            let mut all = with_access(&ALL, "read");
            all.push(("models".to_owned(), "read".to_owned()));
            all
        }
        Some("write-all") => {
            let mut all = with_access(&ALL, WRITE);
            all.push(("models".to_owned(), "read".to_owned()));
            all.push((ID_TOKEN.to_owned(), WRITE.to_owned()));
            all
        }
        Some(_) => Vec::new(),
        None => {
            let mut all = Permissions::new();
            for field in node.fields() {
                let access = field.value.scalar_text().unwrap_or_default();
                all.push((field.name().to_owned(), access.to_owned()));
            }
            all
        }
    }
}

/// The permissions with the one that OIDC needs.
pub fn add_id_token(mut permissions: Permissions) -> Permissions {
    permissions.retain(|(name, _)| name != ID_TOKEN);
    permissions.push((ID_TOKEN.to_owned(), WRITE.to_owned()));
    permissions
}

/// Whether two sets of permissions allow the same.
pub fn is_same_access(one: &Permissions, other: &Permissions) -> bool {
    sort_granted(one) == sort_granted(other)
}

fn sort_granted(permissions: &Permissions) -> Permissions {
    let mut granted: Permissions =
        permissions.iter().filter(|(_, access)| access != "none").cloned().collect();
    granted.sort();
    granted
}

/// Gives a job `id-token: write`.
///
/// # Errors
/// The permissions, or the job, are written in a way that cannot be edited.
pub fn edit_permissions(
    editor: &mut TextEditor<'_>,
    root: &YamlNode,
    job: &YamlNode,
    default: DefaultToken,
) -> Result<(), EditError> {
    let current = effective_permissions(root, job, default);
    if current.iter().any(|(name, access)| name == ID_TOKEN && access == WRITE) {
        return Ok(());
    }
    match job.fields().iter().find(|field| field.name() == "permissions") {
        Some(field) => extend_permissions(editor, job, field, current),
        None => insert_permissions(editor, job, add_id_token(current)),
    }
}

/// The job has permissions: one more, or the one changed.
fn extend_permissions(
    editor: &mut TextEditor<'_>,
    job: &YamlNode,
    field: &YamlField,
    current: Permissions,
) -> Result<(), EditError> {
    match &field.value.kind {
        NodeKind::Map(fields) => {
            if let Some(own) = field.value.get(ID_TOKEN) {
                editor.replace_value(own, WRITE);
            } else if editor.is_flow(&field.value) {
                match fields.last() {
                    Some(last) => {
                        editor.insert_text(editor.field_end(last), format!(", {ID_TOKEN}: {WRITE}"))
                    }
                    None => editor.insert_text(field.value.range.start + 1, format!(" {ID_TOKEN}: {WRITE} ")),
                }
            } else if let Some(last) = fields.last() {
                let indent = " ".repeat(editor.indent_of(&field.value));
                editor.insert_lines_after(last, &[format!("{indent}{ID_TOKEN}: {WRITE}")]);
            }
            Ok(())
        }
        NodeKind::Scalar { .. } if !current.is_empty() => {
            if editor.is_flow(job) {
                editor.replace_value(&field.value, &flow_text(&add_id_token(current)));
                return Ok(());
            }
            let lines = block_lines(editor, job, &add_id_token(current));
            let text = format!("{}{}", editor.line_end(), lines[1..].join(editor.line_end()));
            // The space behind the colon goes as well.
            editor.replace_range(field.key.range.end + 1..editor.field_end(field), text);
            Ok(())
        }
        _ => {
            Err(EditError { at: field.value.at, reason: "keytide cannot read these permissions".to_owned() })
        }
    }
}

/// The job has none: those that its token has now are written out.
fn insert_permissions(
    editor: &mut TextEditor<'_>,
    job: &YamlNode,
    permissions: Permissions,
) -> Result<(), EditError> {
    let fields = job.fields();
    let refuse = Err(EditError {
        at: job.at,
        reason: "keytide finds no place for `permissions` in this job".to_owned(),
    });
    // A job that calls a workflow has no steps.
    let Some(steps) = find_field(fields, "steps").or_else(|| find_field(fields, "uses")) else {
        return refuse;
    };
    if editor.is_flow(job) {
        let text = format!("permissions: {}, ", flow_text(&permissions));
        editor.insert_text(fields[steps].key.range.start, text);
        return Ok(());
    }
    let lines = block_lines(editor, job, &permissions);
    match find_field(fields, "runs-on").or_else(|| find_field(fields, "uses")) {
        Some(runs_on) => editor.insert_lines_after(&fields[runs_on], &lines),
        None => editor.insert_lines_before(fields[steps].key.range.start, &lines),
    }
    Ok(())
}

fn block_lines(editor: &TextEditor<'_>, job: &YamlNode, permissions: &Permissions) -> Vec<String> {
    let outer = editor.indent_of(job);
    let inner = outer + editor.indent_step(job);
    let mut lines = vec![format!("{}permissions:", " ".repeat(outer))];
    lines.extend(permissions.iter().map(|(name, access)| format!("{}{name}: {access}", " ".repeat(inner))));
    lines
}

fn flow_text(permissions: &Permissions) -> String {
    let parts: Vec<String> = permissions.iter().map(|(name, access)| format!("{name}: {access}")).collect();
    format!("{{ {} }}", parts.join(", "))
}

fn find_field(fields: &[YamlField], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name() == name)
}
