//! Lists what a command may do with the paths of a secret, and writes that as a policy of Vault.

use super::policy::Vault;
use crate::destinations::permissions::DestinationAccess;

/// What may be done with a path of Vault's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAccess {
    pub path: String,
    pub capabilities: &'static [&'static str],
}

impl Vault {
    /// The path of a secret's versions, or of another part of the key-value store.
    pub fn api_path(&self, part: &str, secret: &str) -> String {
        format!("{}/{part}/{secret}", self.mount)
    }

    /// What a command needs.
    pub fn needed_access(&self, access: DestinationAccess) -> Vec<PathAccess> {
        if access != DestinationAccess::Rotate {
            return vec![PathAccess { path: self.api_path("data", &self.path), capabilities: &["read"] }];
        }
        let pending = self.pending_path();
        vec![
            PathAccess { path: self.api_path("data", &self.path), capabilities: &["read", "update"] },
            PathAccess { path: self.api_path("metadata", &self.path), capabilities: &["read"] },
            PathAccess { path: self.api_path("data", &pending), capabilities: &["create", "read", "update"] },
            PathAccess { path: self.api_path("metadata", &pending), capabilities: &["read", "delete"] },
        ]
    }
}

/// The policy that gives this access.
pub fn access_policy(access: &[PathAccess]) -> String {
    let mut policy = String::new();
    for PathAccess { path, capabilities } in access {
        let list: Vec<String> = capabilities.iter().map(|name| format!("\"{name}\"")).collect();
        policy += &format!("path \"{path}\" {{\n  capabilities = [{}]\n}}\n", list.join(", "));
    }
    policy.truncate(policy.trim_end().len());
    policy
}
