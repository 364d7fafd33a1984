//! Compares a changed workflow with the original: without the key, the role and the permissions both mean the same, and no
//! job lost a permission.

use super::action_steps::{CONFIGURE_ACTION, CONFIGURE_COMMIT};
use super::key_uses::jobs_of;
use super::permissions::{add_id_token, effective_permissions, is_same_access};
use super::request::MigrationRequest;
use crate::yaml::{NodeKind, ScalarStyle, YamlField, YamlNode, parse_editable};

/// What was meant to change.
pub struct ExpectedChange<'e> {
    /// The first bytes of the jobs that now assume the role.
    pub jobs: &'e [usize],
    /// How many values that read the key were taken out.
    pub removed: usize,
}

/// Whether a text differs from the original by the expected change only.
pub fn is_only_migration(
    before: &YamlNode,
    changed: &str,
    request: &MigrationRequest<'_>,
    expected: &ExpectedChange<'_>,
) -> bool {
    let Ok(file) = parse_editable(changed) else { return false };
    let [after] = &file.roots[..] else { return false };
    describe_rest(before, request) == describe_rest(after, request)
        && count_reads(before, request) == count_reads(after, request) + expected.removed
        && has_expected_permissions(before, after, request, expected)
}

/// Whether the text of an action differs from the original by the expected change only. The declarations of its inputs for
/// the key read nothing.
pub fn is_only_action_migration(
    before: &YamlNode,
    changed: &str,
    request: &MigrationRequest<'_>,
    removed: usize,
) -> bool {
    let Ok(file) = parse_editable(changed) else { return false };
    let [after] = &file.roots[..] else { return false };
    describe_rest(before, request) == describe_rest(after, request)
        && count_reads(before, request) == count_reads(after, request) + removed
}

fn has_expected_permissions(
    before: &YamlNode,
    after: &YamlNode,
    request: &MigrationRequest<'_>,
    expected: &ExpectedChange<'_>,
) -> bool {
    jobs_of(before).iter().zip(jobs_of(after)).all(|(old, new)| {
        let mut wanted = effective_permissions(before, &old.value, request.default_token);
        if expected.jobs.contains(&old.value.range.start) {
            wanted = add_id_token(wanted);
        }
        is_same_access(&wanted, &effective_permissions(after, &new.value, request.default_token))
    })
}

fn count_reads(node: &YamlNode, request: &MigrationRequest<'_>) -> usize {
    let own = node.scalar_text().map_or(0, |text| {
        usize::from(request.secrets.read(text).names.iter().any(|name| request.secrets.has_name(name)))
    });
    let items = node.items().iter().map(|item| count_reads(item, request)).sum::<usize>();
    own + items + node.fields().iter().map(|field| count_reads(&field.value, request)).sum::<usize>()
}

/// Describes everything that a migration leaves as it is.
fn describe_rest(root: &YamlNode, request: &MigrationRequest<'_>) -> String {
    let mut text = String::new();
    describe_node(root, Level::Root, request, &mut text);
    text
}

/// Where in a workflow a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    /// The events that start a workflow, one by one, and what it says about its callers.
    Events,
    Called,
    Jobs,
    /// A job, or the part of an action that runs.
    Job,
    Steps,
    Step,
    /// The variables, the inputs of a step, or the secrets that a job hands on.
    Values,
    /// The secrets or the inputs that a called file declares.
    Declarations,
    Other,
}

impl Level {
    fn below(self, field: &str) -> Self {
        match (self, field) {
            (Self::Root, "jobs") => Self::Jobs,
            (Self::Root, "runs") => Self::Job,
            (Self::Root, "on") => Self::Events,
            (Self::Events, "workflow_call") => Self::Called,
            (Self::Root, "inputs") | (Self::Called, "secrets") => Self::Declarations,
            (Self::Job, "secrets") => Self::Values,
            (Self::Jobs, _) => Self::Job,
            (Self::Job, "steps") => Self::Steps,
            (Self::Root | Self::Job | Self::Step, "env") | (Self::Step, "with") => Self::Values,
            _ => Self::Other,
        }
    }
}

fn describe_node(node: &YamlNode, level: Level, request: &MigrationRequest<'_>, text: &mut String) {
    if node.has_anchor {
        text.push('&');
    }
    // Without the key there may be nothing left to say about callers.
    if level == Level::Called && node.fields().iter().all(|field| is_of_migration(field, level, request)) {
        return;
    }
    match &node.kind {
        NodeKind::Scalar { text: value, style } => {
            let is_plain = *style == ScalarStyle::Plain;
            text.push_str(&format!("{is_plain}{value:?}"));
        }
        NodeKind::Alias(anchor) => text.push_str(&format!("*{anchor}")),
        NodeKind::List(items) => {
            text.push('[');
            for item in items.iter().filter(|item| level != Level::Steps || !is_role_step(item, request)) {
                let inner = if level == Level::Steps { Level::Step } else { Level::Other };
                describe_node(item, inner, request, text);
                text.push(',');
            }
            text.push(']');
        }
        NodeKind::Map(fields) => {
            text.push('{');
            for field in fields.iter().filter(|field| !is_of_migration(field, level, request)) {
                describe_node(&field.key, Level::Other, request, text);
                text.push(':');
                describe_node(&field.value, level.below(field.name()), request, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

/// Whether a field is one that a migration removes or adds.
fn is_of_migration(field: &YamlField, level: Level, request: &MigrationRequest<'_>) -> bool {
    match level {
        Level::Job if field.name() == "permissions" => true,
        Level::Declarations => request.secrets.has_name(&field.name().to_ascii_uppercase()),
        Level::Root | Level::Called | Level::Job | Level::Step => match level.below(field.name()) {
            inner @ (Level::Values | Level::Declarations) => {
                let fields = field.value.fields();
                !fields.is_empty() && fields.iter().all(|field| is_of_migration(field, inner, request))
            }
            _ => false,
        },
        Level::Values => {
            let value = field.value.scalar_text().unwrap_or_default();
            let is_role =
                field.name() == "role-to-assume" && value.ends_with(&format!(":role/{}", request.role_name));
            is_role || request.secrets.find_sole(value).is_some_and(|name| request.secrets.has_name(&name))
        }
        _ => false,
    }
}

/// Whether a step does nothing but assume the role, or get the key.
fn is_role_step(step: &YamlNode, request: &MigrationRequest<'_>) -> bool {
    let uses = step.get("uses").and_then(YamlNode::scalar_text);
    let inputs = step.get("with").map(YamlNode::fields).unwrap_or_default();
    uses == Some(&format!("{CONFIGURE_ACTION}@{CONFIGURE_COMMIT}"))
        && inputs
            .iter()
            .all(|field| field.name() == "aws-region" || is_of_migration(field, Level::Values, request))
}
