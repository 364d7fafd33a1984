//! Joins the policies of a user and of its groups to what a role needs to be allowed the same.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The account of a user, and what the user may do.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantingAccount {
    /// Twelve digits.
    pub number: String,
    pub partition: String,
    pub granted: GrantedPolicies,
}

/// What grants a user its permissions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GrantedPolicies {
    /// The inline policies of the user, then those of its groups.
    pub inline: Vec<InlinePolicy>,
    /// The ARNs of the managed policies of both.
    pub managed: BTreeSet<String>,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq)]
pub struct InlinePolicy {
    pub name: String,
    pub document: Value,
}

/// AWS attaches it to a user whose key leaked; a role has nothing to do with that.
const QUARANTINE: &str = ":policy/AWSCompromisedKeyQuarantine";
/// What exists in the requests of a user only.
const USER_KEYS: [&str; 3] = ["${aws:username}", "aws:username", ":user/"];

impl GrantedPolicies {
    /// The inline policies as one document; `None` if there are none.
    pub fn merge_inline(&self) -> Option<Value> {
        let mut statements: Vec<Value> = Vec::new();
        let mut names = BTreeSet::new();
        for policy in &self.inline {
            for statement in as_list(&policy.document["Statement"]) {
                let mut statement = statement.clone();
                // A statement's ID is unique in a document, and means nothing else.
                if let Some(fields) = statement.as_object_mut() {
                    drop_repeated_id(fields, &mut names);
                }
                if !statements.contains(&statement) {
                    statements.push(statement);
                }
            }
        }
        if statements.is_empty() {
            return None;
        }
        Some(json!({ "Version": self.language_version(), "Statement": statements }))
    }

    /// Policy variables need the newer language; in the older one `${` is a text like any other.
    fn language_version(&self) -> &'static str {
        const NEW: &str = "2012-10-17";
        if self.inline.iter().any(|policy| policy.document["Version"] == NEW) { NEW } else { "2008-10-17" }
    }

    /// The managed policies that a role gets.
    pub fn role_policies(&self) -> Vec<String> {
        self.managed.iter().filter(|arn| !arn.contains(QUARANTINE)).cloned().collect()
    }

    /// The inline policies that name the user, and so do not mean the same for a role.
    pub fn list_user_bound(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for policy in &self.inline {
            let text = policy.document.to_string();
            if USER_KEYS.iter().any(|key| text.contains(key)) {
                names.push(policy.name.as_str());
            }
        }
        names
    }

    /// Whether inline policies of both versions of the language are joined, of which the older has no variables.
    pub fn has_mixed_versions(&self) -> bool {
        let mut versions = self.inline.iter().map(|policy| &policy.document["Version"]);
        let first = versions.next();
        versions.any(|version| Some(version) != first)
    }
}

fn drop_repeated_id(statement: &mut Map<String, Value>, names: &mut BTreeSet<String>) {
    let id = statement.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_empty() || !names.insert(id) {
        statement.remove("Sid");
    }
}

/// The items of a list, or the only one.
fn as_list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, document: Value) -> InlinePolicy {
        InlinePolicy { name: name.to_owned(), document }
    }

    #[test]
    fn statements_of_all_policies_are_joined() {
        let one = json!({"Version": "2012-10-17", "Statement": {"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
        let two = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "A", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
            {"Effect": "Allow", "Action": "sts:*", "Resource": "arn:aws:iam::1:user/${aws:username}"}]});
        let granted = GrantedPolicies {
            inline: vec![policy("one", one), policy("two", two)],
            managed: BTreeSet::from([
                "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3".to_owned(),
                "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned(),
            ]),
            boundary: None,
        };
        let merged = granted.merge_inline().unwrap();
        assert_eq!(merged["Statement"].as_array().unwrap().len(), 3);
        assert_eq!(merged["Statement"][0]["Sid"], "A");
        assert_eq!(merged["Statement"][1].get("Sid"), None);
        assert_eq!(merged["Statement"][1]["Effect"], "Deny");
        assert_eq!(granted.role_policies(), ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
        assert_eq!(granted.list_user_bound(), ["two"]);
        assert!(!granted.has_mixed_versions());
        assert_eq!(GrantedPolicies::default().merge_inline(), None);
    }
}
