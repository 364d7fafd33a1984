//! Walks over the tree of a workflow: where secrets are read, and where a key is handed on by the names of its variables.

use super::key_secrets::{KeySecrets, SecretOwner};
use crate::diagnostic::Position;
use crate::repository::JobEnvironment;
use crate::yaml::{NodeKind, YamlField, YamlNode};

/// The variables that AWS's libraries read.
pub const KEY_VARIABLES: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// A scalar that reads the key, or may.
#[derive(Debug, Clone, Copy)]
pub struct KeyRead {
    pub at: Position,
    /// The first byte of the scalar, which no other scalar has.
    pub start: usize,
    pub kind: ReadKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    Key,
    /// The environment of the job decides whose key it is, and is computed.
    UndecidedEnvironment,
    /// The name of the secret is computed.
    ComputedName,
}

/// The jobs of a workflow.
pub fn jobs_of(root: &YamlNode) -> &[YamlField] {
    root.get("jobs").map(YamlNode::fields).unwrap_or_default()
}

/// Collects the reads below a node.
pub fn collect_reads(
    node: &YamlNode,
    secrets: &KeySecrets,
    environment: &JobEnvironment,
    found: &mut Vec<KeyRead>,
) {
    if let Some(text) = node.scalar_text() {
        let reads = secrets.read(text);
        let owners = reads.names.iter().map(|name| secrets.find_owner(name, environment));
        let mut kind = if reads.is_computed { Some(ReadKind::ComputedName) } else { None };
        for owner in owners {
            match owner {
                SecretOwner::User => kind = Some(ReadKind::Key),
                SecretOwner::Undecided if kind.is_none() => kind = Some(ReadKind::UndecidedEnvironment),
                SecretOwner::Undecided | SecretOwner::Other => {}
            }
        }
        found.extend(kind.map(|kind| KeyRead { at: node.at, start: node.range.start, kind }));
    }
    for child in children(node) {
        collect_reads(child, secrets, environment, found);
    }
}

/// The scalars that read a secret of a name that holds the key somewhere: each with its place and its first byte.
pub fn list_named_reads(node: &YamlNode, secrets: &KeySecrets) -> Vec<(Position, usize)> {
    let mut found = Vec::new();
    let names = node.scalar_text().map(|text| secrets.read(text).names).unwrap_or_default();
    if names.iter().any(|name| secrets.has_name(name)) {
        found.push((node.at, node.range.start));
    }
    for child in children(node) {
        found.extend(list_named_reads(child, secrets));
    }
    found
}

/// The values below a node, without the keys of mappings.
fn children(node: &YamlNode) -> Vec<&YamlNode> {
    match &node.kind {
        NodeKind::List(items) => items.iter().collect(),
        NodeKind::Map(fields) => fields.iter().map(|field| &field.value).collect(),
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => Vec::new(),
    }
}

/// Whether the scalar that begins at a byte is the node or below it.
pub fn has_scalar(node: &YamlNode, start: usize) -> bool {
    (node.scalar_text().is_some() && node.range.start == start)
        || children(node).into_iter().any(|child| has_scalar(child, start))
}

/// Whether a node on the way from the root to the scalar at a byte has an anchor.
pub fn is_anchored(node: &YamlNode, start: usize) -> bool {
    if !has_scalar(node, start) {
        return false;
    }
    node.has_anchor || children(node).into_iter().any(|child| is_anchored(child, start))
}

/// Whether there is an alias at or below a node.
pub fn has_alias(node: &YamlNode) -> bool {
    matches!(node.kind, NodeKind::Alias(_)) || children(node).into_iter().any(has_alias)
}

/// The fields of an `env:` that hold the key, by their indexes.
#[derive(Debug, Default)]
pub struct EnvironmentKey {
    pub indexes: Vec<usize>,
}

/// Finds the two variables of a key in the `env:` of a workflow, job or step. Under other names, or alone, they are not
/// what a role replaces.
pub fn find_environment_key(
    owner: &YamlNode,
    secrets: &KeySecrets,
    environment: &JobEnvironment,
) -> Option<EnvironmentKey> {
    let fields = owner.get("env")?.fields();
    // Three values make a temporary credential.
    if fields.iter().any(|field| field.name() == "AWS_SESSION_TOKEN") {
        return None;
    }
    let mut key = EnvironmentKey::default();
    for name in KEY_VARIABLES {
        let index = fields.iter().position(|field| field.name() == name)?;
        let secret = fields[index].value.scalar_text().and_then(|text| secrets.find_sole(text))?;
        if secrets.find_owner(&secret, environment) != SecretOwner::User {
            return None;
        }
        key.indexes.push(index);
    }
    key.indexes.sort_unstable();
    Some(key)
}

/// A place that hands on a key by the names of its variables and leaves out the session token, which a role's credential
/// needs. `handled`: the scalars that are changed.
pub fn find_partial_credential(node: &YamlNode, handled: &[usize]) -> Option<Position> {
    if let Some(text) = node.scalar_text()
        && !handled.contains(&node.range.start)
    {
        let text = text.to_ascii_lowercase().replace('-', "_");
        let names_key = ["aws_access_key_id", "aws_secret_access_key"].iter().any(|name| text.contains(name));
        if names_key && !text.contains("session_token") {
            return Some(node.at);
        }
    }
    for field in node.fields() {
        let is_key = KEY_VARIABLES.contains(&field.name());
        if is_key && !handled.contains(&field.value.range.start) {
            return Some(field.key.at);
        }
    }
    children(node).into_iter().find_map(|child| find_partial_credential(child, handled))
}
