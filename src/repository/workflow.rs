//! Finds the steps of GitHub workflows that pass a static access key to an action, for the rule `static-key-workflow`.

use crate::diagnostic::Position;
use crate::yaml::{NodeKind, YamlNode, parse_documents};

/// The inputs for an access key ID (aws-actions/configure-aws-credentials, `action.yml`, and others).
const KEY_ID_INPUTS: [&str; 3] = ["aws-access-key-id", "aws_access_key_id", "access-key-id"];
/// With one of these inputs the credential is temporary, from an earlier step.
const SESSION_TOKEN_INPUTS: [&str; 3] = ["aws-session-token", "aws_session_token", "session-token"];
/// The largest workflow that is parsed; GitHub's own limit is lower.
const MAX_BYTES: usize = 1024 * 1024;

/// A step that passes a static access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticKey {
    pub at: Position,
    /// The action, as `uses` names it.
    pub action: String,
}

/// Whether the path is that of a workflow or of an action.
pub fn is_workflow(path: &str) -> bool {
    if matches!(path.rsplit('/').next(), Some("action.yml" | "action.yaml")) {
        return true;
    }
    let Some(name) = path.strip_prefix(".github/workflows/") else { return false };
    // GitHub does not run workflows in folders below this one.
    !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml"))
}

/// Returns the steps that pass a static key. A file that is not YAML has none.
pub fn find_static_keys(bytes: &[u8]) -> Vec<StaticKey> {
    // Nearly all workflows have none of the names, and are not parsed.
    let may_match = KEY_ID_INPUTS.iter().any(|input| memchr::memmem::find(bytes, input.as_bytes()).is_some());
    let text = std::str::from_utf8(bytes).ok().filter(|_| may_match && bytes.len() <= MAX_BYTES);
    let mut found = Vec::new();
    for root in text.and_then(|text| parse_documents(text).ok()).unwrap_or_default() {
        collect_static_keys(&root, &mut found);
    }
    found
}

/// Searches a tree for steps: mappings with `uses` and `with`.
fn collect_static_keys(node: &YamlNode, found: &mut Vec<StaticKey>) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| collect_static_keys(item, found)),
        NodeKind::Map(fields) => {
            found.extend(static_key_in_step(node));
            fields.iter().for_each(|field| collect_static_keys(&field.value, found));
        }
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
    }
}

fn static_key_in_step(step: &YamlNode) -> Option<StaticKey> {
    let (action, with) = (step.get("uses")?.scalar_text()?, step.get("with")?);
    let input =
        with.fields().iter().find(|field| KEY_ID_INPUTS.contains(&field.name().to_lowercase().as_str()))?;
    let value = input.value.scalar_text()?;
    // A session token or an output of another step means a short-lived credential, which is what the rule asks for.
    let temporary = SESSION_TOKEN_INPUTS.iter().any(|token| with.get(token).is_some());
    let is_output = value.contains("steps.") || value.contains("needs.");
    if temporary || is_output || value.is_empty() {
        return None;
    }
    Some(StaticKey { at: input.key.at, action: action.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(with: &str) -> Vec<StaticKey> {
        let text = format!(
            "jobs:\n  a:\n    steps:\n      - uses: aws-actions/configure-aws-credentials@v4\n        with:\n{with}"
        );
        find_static_keys(text.as_bytes())
    }

    #[test]
    fn a_key_from_a_secret_is_static_and_one_with_a_token_is_not() {
        let key = "          aws-access-key-id: ${{ secrets.ID }}\n";
        let expected = StaticKey {
            at: Position { line: 6, column: 11 },
            action: "aws-actions/configure-aws-credentials@v4".to_owned(),
        };
        assert_eq!(found(key), [expected]);
        assert_eq!(found(&format!("{key}          aws-session-token: x\n")), []);
        assert_eq!(found("          aws-access-key-id: ${{ steps.a.outputs.id }}\n"), []);
        assert_eq!(found("          role-to-assume: arn\n"), []);
    }

    #[test]
    fn workflows_and_actions_are_known_by_their_path() {
        assert!(is_workflow(".github/workflows/ci.yml") && is_workflow("tools/action.yaml"));
        assert!(!is_workflow(".github/workflows/x/ci.yml") && !is_workflow("ci.yml"));
    }
}
