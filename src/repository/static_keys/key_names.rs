//! Decides by names and values whether a field passes a static access key of AWS.

use std::collections::HashMap;

use crate::repository::key_id::AccessKeyId;
use crate::yaml::{YamlField, YamlNode};

/// How the parts of a credential are named, in upper case with underscores.
const KEY_ID_NAMES: [&str; 2] = ["ACCESS_KEY_ID", "ACCESSKEYID"];
const SECRET_NAMES: [&str; 4] = ["SECRET_ACCESS_KEY", "SECRETACCESSKEY", "AWS_SECRET_KEY", "SECRET_KEY_ID"];
const SESSION_TOKEN: &str = "SESSION_TOKEN";
/// A service other than AWS answers at such an endpoint.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// Whether the text names the ID of an access key of AWS.
pub fn names_key_id(text: &str) -> bool {
    let text = normalize(text);
    if !text.contains("AWS") || names_secret_in(&text) {
        return false;
    }
    KEY_ID_NAMES.iter().any(|name| text.contains(name))
        || text.ends_with("AWS_ACCESS_KEY")
        || text.ends_with("AWS_KEY_ID")
}

/// Whether the text names a secret access key of AWS.
pub fn names_secret(text: &str) -> bool {
    let text = normalize(text);
    text.contains("AWS") && names_secret_in(&text)
}

fn names_secret_in(normalized: &str) -> bool {
    SECRET_NAMES.iter().any(|name| normalized.contains(name))
}

pub fn names_session_token(text: &str) -> bool {
    normalize(text).contains(SESSION_TOKEN)
}

fn normalize(text: &str) -> String {
    text.to_ascii_uppercase().replace('-', "_")
}

/// Whether the text has the form of a long-term access key ID.
pub fn is_key_id_literal(text: &str) -> bool {
    AccessKeyId::parse(text.trim().as_bytes()).is_some_and(|id| !id.is_temporary())
}

/// Whether a mapping of variables is for a temporary credential, or for another service than AWS.
pub fn is_for_another_credential(fields: &[YamlField]) -> bool {
    fields.iter().any(|field| {
        let value = scalar_value(&field.value).unwrap_or_default();
        let is_endpoint = field.name().starts_with(ENDPOINT) && !value.contains("amazonaws.com");
        !value.is_empty() && (is_endpoint || names_session_token(field.name()))
    })
}

/// The text of a variable: GitLab also takes `value:` beside a description.
pub fn scalar_value(node: &YamlNode) -> Option<&str> {
    node.scalar_text().or_else(|| node.get("value")?.scalar_text())
}

/// The variables of a mapping by their names, so that many can be looked up.
pub type VariableIndex<'f> = HashMap<&'f str, &'f YamlNode>;

/// Where a name occurs twice, the first counts.
pub fn index_variables(fields: &[YamlField]) -> VariableIndex<'_> {
    let mut index = VariableIndex::new();
    for field in fields {
        index.entry(field.name()).or_insert(&field.value);
    }
    index
}

/// The fields that pass a static key: each that holds an ID, or the first secret access key if no field holds an ID.
pub fn static_fields<'f>(
    fields: &'f [YamlField],
    is_static: &dyn Fn(&YamlField, &str) -> bool,
) -> Vec<&'f YamlField> {
    let (mut ids, mut secrets) = (Vec::new(), Vec::new());
    for field in fields {
        let Some(value) = scalar_value(&field.value).filter(|value| is_static(field, value)) else {
            continue;
        };
        if names_key_id(field.name()) || names_key_id(value) || is_key_id_literal(value) {
            ids.push(field);
        } else if names_secret(field.name()) || names_secret(value) {
            secrets.push(field);
        }
    }
    if ids.is_empty() {
        secrets.truncate(1);
        return secrets;
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for id in [
            "AWS_ACCESS_KEY_ID",
            "aws-access-key-id",
            "PROD_AWS_ACCESS_KEY_ID",
            "AWS_ACCESS_KEY_ID_PROD",
            "AWS_PROD_ACCESS_KEY_ID",
            "AWS_ACCESS_KEY",
            "AWS_KEY_ID",
            "${{ secrets.AWS_ACCESS_KEY_ID }}",
        ] {
            assert!(names_key_id(id) && !names_secret(id), "{id}");
        }
        for secret in ["AWS_SECRET_ACCESS_KEY", "aws-secret-access-key", "AWS_SECRET_ACCESS_KEY_PROD"] {
            assert!(names_secret(secret) && !names_key_id(secret), "{secret}");
        }
        for other in ["R2_ACCESS_KEY_ID", "AWS_KMS_KEY_ID", "AWS_REGION", "AWS_ROLE_ARN", "SECRET_ACCESS_KEY"]
        {
            assert!(!names_key_id(other) && !names_secret(other), "{other}");
        }
    }
}
