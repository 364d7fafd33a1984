//! The destination `ssm_parameter`: a parameter of AWS Systems Manager Parameter Store, a SecureString that holds a JSON object, two of whose fields are the
//! credential.
//!
//! The newest version of a parameter is the one that applications read, so a new credential waits for the merge in a
//! second parameter beside it, encrypted with the same key. The JSON object's other fields belong to others and stay.

#[cfg(feature = "online")]
mod client;
#[cfg(feature = "seal")]
mod delivery;
pub mod policy;
#[cfg(feature = "seal")]
mod simulated;

use super::kind::{
    Capabilities, DestinationKind, JournalKind, PolicyFaultSink, Storage, StoreDestination, pending_name,
};
use super::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::policy::scalar::is_region;
use crate::sanitize::{escape_markdown, markdown_code};
use policy::SsmParameter;

const READ_ACTIONS: &[&str] = &["ssm:GetParameter"];
const WRITE_ACTIONS: &[&str] = &["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"];
const REMOVE_ACTIONS: &[&str] = &["ssm:DeleteParameter"];

impl DestinationKind for SsmParameter {
    fn kind_name(&self) -> &'static str {
        "ssm_parameter"
    }

    fn summary(&self) -> &'static str {
        "a SecureString parameter of AWS Systems Manager that holds JSON"
    }

    fn journal_kind() -> JournalKind {
        JournalKind { name: "ssm_parameter", updated_service: Some("AWS Systems Manager"), describe_target }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::Store(self)
    }

    fn capabilities(&self) -> Capabilities {
        // Parameter Store has no compare-and-swap; `delivery` detects a lost write by the version numbers.
        Capabilities { restorable: true, compare_and_swap: false, staged: true }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        if !is_region(&self.region) {
            report("the `region` of an `ssm_parameter` is no region".into(), "write one such as `eu-west-1`");
        }
        if !is_parameter_name(&self.json) {
            report(
                format!("`{}` is not the name of a parameter", self.json),
                "write its full name, such as `/app/aws`, and not its ARN",
            );
        }
        if self.access_key_id == self.secret_access_key {
            report(
                "both fields of an `ssm_parameter` have one name".into(),
                "name two fields of the JSON object",
            );
        }
    }

    fn written_values(&self) -> Vec<String> {
        [&self.access_key_id, &self.secret_access_key]
            .map(|field| format!("the field `{field}` of the parameter `{}` in {}", self.json, self.region))
            .into()
    }

    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions) {
        let parameter = self.arn_of(&self.json, request.scope);
        let key_actions = match request.access {
            DestinationAccess::Audit | DestinationAccess::Delete => {
                needed.allow(StatementOrder::Store, "KeytideReadsParameters", READ_ACTIONS, parameter);
                "`kms:Decrypt`"
            }
            DestinationAccess::Rotate => {
                let pending = self.arn_of(&self.pending_name(), request.scope);
                // The pending parameter is written with the same requests, under a name of its own.
                for resource in [parameter, pending.clone()] {
                    needed.allow(StatementOrder::Store, "KeytideWritesParameters", WRITE_ACTIONS, resource);
                }
                let sid = "KeytideRemovesPendingParameters";
                needed.allow(StatementOrder::Store, sid, REMOVE_ACTIONS, pending);
                "`kms:Decrypt`, `kms:Encrypt` and `kms:GenerateDataKey`"
            }
        };
        needed.note(
            StatementOrder::Store,
            format!(
                "a parameter that is encrypted with a KMS key of your own needs {key_actions} on that key as well"
            ),
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

/// Describes what `destination_target` returned: the region, the parameter, then the names of the two fields.
fn describe_target(target: &str) -> String {
    let (region, rest) = target.split_once(':').unwrap_or(("", target));
    // The names of the fields come after the last colon; an ARN has colons of its own.
    let parameter = rest.rsplit_once(':').map_or(rest, |(parameter, _)| parameter);
    format!("AWS Systems Manager parameter {} in {}", markdown_code(parameter), escape_markdown(region))
}

impl StoreDestination for SsmParameter {
    fn target(&self) -> String {
        self.destination_target()
    }

    fn workflow_secret_owner(&self) -> Option<&str> {
        None
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

impl SsmParameter {
    /// Distinguishes this destination from others, of the same parameter too.
    pub fn destination_target(&self) -> String {
        let Self { json, region, access_key_id, secret_access_key } = self;
        format!("{region}:{json}:{access_key_id}+{secret_access_key}")
    }

    /// The parameter that holds a new credential until the merge.
    pub fn pending_name(&self) -> String {
        pending_name(&self.json, &self.destination_target())
    }

    /// The ARN of a parameter. The slash that begins a name is the one after `parameter`.
    fn arn_of(&self, name: &str, scope: &ArnScope<'_>) -> String {
        let ArnScope { partition, account } = scope;
        let name = name.trim_start_matches('/');
        format!("arn:{partition}:ssm:{}:{account}:parameter/{name}", self.region)
    }
}

/// Whether Parameter Store takes a name (AWS API reference, `PutParameter`).
fn is_parameter_name(name: &str) -> bool {
    let lower = name.trim_start_matches('/').to_ascii_lowercase();
    // AWS reserves these prefixes in any case.
    let is_reserved = lower.starts_with("aws") || lower.starts_with("ssm");
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
    // A name with slashes is a path, which begins with one.
    let is_path = !name.contains('/') || name.starts_with('/');
    is_plain && is_path && !lower.is_empty() && !is_reserved && name.len() <= 900
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(json: &str) -> SsmParameter {
        serde_json::from_value(serde_json::json!({ "json": json, "region": "eu-west-1" })).unwrap()
    }

    #[test]
    fn names_that_parameter_store_refuses_are_reported() {
        for name in ["/app/aws", "app", "/a.b/c_d-E9"] {
            assert!(is_parameter_name(name), "{name}");
        }
        for name in ["", "/", "app/aws", "/aws/x", "SSM-x", "/app/a b", "arn:aws:ssm:eu-west-1:1:parameter/x"]
        {
            assert!(!is_parameter_name(name), "{name}");
        }
    }

    #[test]
    fn a_pending_parameter_is_beside_its_own() {
        let pending = parameter("/app/aws").pending_name();
        assert!(pending.starts_with("/app/aws.keytide-") && is_parameter_name(&pending), "{pending}");
        let other = SsmParameter { access_key_id: "id".to_owned(), ..parameter("/app/aws") };
        assert_ne!(pending, other.pending_name(), "another credential of the same parameter");
        let scope = ArnScope { partition: "aws", account: "123456789012" };
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/app/aws";
        assert_eq!(parameter("/app/aws").arn_of("/app/aws", &scope), arn);
    }
}
