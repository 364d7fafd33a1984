//! The destination `vault`: a secret of a key-value store, version 2, of Vault or OpenBao, some of whose fields are the
//! credential.
//!
//! The newest version of a secret is the one that applications read, so a new credential waits for the merge in a second
//! secret beside it. Every write names the version that it replaces, so it overwrites no version of another writer. The
//! other fields belong to others and stay.

pub mod access;
#[cfg(feature = "online")]
mod client;
#[cfg(feature = "seal")]
pub mod delivery;
mod fields;
pub mod policy;
#[cfg(feature = "seal")]
mod reply;
#[cfg(feature = "seal")]
mod simulated;
#[cfg(feature = "online")]
mod token;

use super::kind::{
    Capabilities, DestinationKind, JournalKind, PolicyFaultSink, REMOVAL_FROM_MORE, Storage,
    StoreDestination, pending_name,
};
use super::permissions::{DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder};
use super::value_names::{describe_values, list_names};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::sanitize::markdown_code;
use policy::Vault;

impl DestinationKind for Vault {
    fn kind_name(&self) -> &'static str {
        "vault"
    }

    fn summary(&self) -> &'static str {
        "a secret of the key-value store, version 2, of Vault or OpenBao"
    }

    fn journal_kind() -> JournalKind {
        JournalKind { name: "vault", updated_service: Some("Vault"), describe_target, describe_removal }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::Store(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { restorable: true, compare_and_swap: true, staged: true }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        fields::check_fields(self, report);
    }

    fn written_values(&self) -> Vec<String> {
        describe_values("field", &self.field_names(), &format!("of the Vault secret `{}`", self.location()))
    }

    /// Vault knows nothing of AWS' permissions: its own policy is a note, to be pasted there.
    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions) {
        let purpose = match request.access {
            DestinationAccess::Audit => "an audit",
            DestinationAccess::Rotate => "a rotation",
            DestinationAccess::Delete => "a deletion",
        };
        let policy = access::access_policy(&self.needed_access(request.access));
        needed.note(
            StatementOrder::Store,
            format!("the policy of {purpose} in Vault, for `{}`:\n{policy}", self.location()),
        );
    }

    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_> {
        Preparation::WritableStore
    }

    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination> {
        None
    }
}

/// Describes what `destination_target` returned: the server, the path, then the names of the fields.
fn describe_target(target: &str) -> String {
    // The names of the fields come after the last colon; an address has colons of its own.
    let location = target.rsplit_once(':').map_or(target, |(location, _)| location);
    let host_at = location.find("://").map_or(0, |at| at + 3);
    let path_at = location[host_at..].find('/').map_or(location.len(), |at| host_at + at);
    let (address, path) = location.split_at(path_at);
    format!("Vault secret {} of {}", markdown_code(path.trim_start_matches('/')), markdown_code(address))
}

/// The command depends on the mount and the namespace, so there is none here.
fn describe_removal(target: &str) -> String {
    format!("delete {}{REMOVAL_FROM_MORE}", describe_target(target))
}

impl StoreDestination for Vault {
    fn target(&self) -> String {
        self.destination_target()
    }

    fn workflow_secret_owner(&self) -> Option<&str> {
        None
    }

    fn values_in_fleet(&self, _: Option<&str>) -> Vec<String> {
        self.written_values()
    }

    fn is_read_by_queued_runs(&self) -> bool {
        false
    }

    #[cfg(feature = "seal")]
    fn payload_names(&self) -> Vec<&str> {
        Vec::new()
    }

    #[cfg(feature = "seal")]
    fn staged_fingerprint(&self, key_id: &str) -> Option<String> {
        Some(crate::destinations::json_credential::key_fingerprint(key_id))
    }
}

impl Vault {
    /// Distinguishes this destination from others, of the same secret too.
    pub fn destination_target(&self) -> String {
        format!("{}:{}", self.location(), self.field_names().join("+"))
    }

    fn field_names(&self) -> Vec<&str> {
        list_names(&self.access_key_id, &self.secret_access_key, self.ses_smtp_password.as_ref())
    }

    /// The server and the secret's whole path. A namespace and a mount are parts of one path for Vault, too.
    fn location(&self) -> String {
        let namespace = self.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
        format!("{}/{namespace}{}/{}", self.address.trim_end_matches('/'), self.mount, self.path)
    }

    /// The secret that holds a new credential until the merge.
    pub fn pending_path(&self) -> String {
        pending_name(&self.path, &self.destination_target())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(path: &str, namespace: Option<&str>) -> Vault {
        serde_json::from_value(serde_json::json!({
            "address": "https://vault.example.com:8200", "path": path, "access_key_id": "id",
            "secret_access_key": "secret", "namespace": namespace,
        }))
        .unwrap()
    }

    #[test]
    fn a_target_is_described_by_server_and_path() {
        let target = vault("app/aws", Some("team")).destination_target();
        assert_eq!(target, "https://vault.example.com:8200/team/secret/app/aws:id+secret");
        let shown = describe_target(&target);
        assert_eq!(shown, "Vault secret `team/secret/app/aws` of `https://vault.example.com:8200`");
        for odd in ["", "x", "://", "https://x", ":", "é:é"] {
            assert!(describe_target(odd).starts_with("Vault secret "), "{odd}");
        }
    }

    #[test]
    fn a_pending_secret_is_beside_its_own() {
        let pending = vault("app/aws", None).pending_path();
        assert!(pending.starts_with("app/aws.keytide-"), "{pending}");
        let other = Vault { access_key_id: "key_id".to_owned(), ..vault("app/aws", None) };
        assert_ne!(pending, other.pending_path(), "another credential of the same secret");
    }
}
