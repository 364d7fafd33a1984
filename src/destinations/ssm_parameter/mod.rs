//! The destination `ssm_parameter`: a parameter of AWS Systems Manager Parameter Store, a SecureString that holds a JSON
//! object, some of whose fields are the credential; or a parameter for each value.
//!
//! The newest version of a parameter is the one that applications read, so a new credential waits for the merge in a
//! second parameter beside it, encrypted with the same key. The JSON object's other fields belong to others and stay.

#[cfg(feature = "online")]
mod client;
#[cfg(feature = "seal")]
mod delivery;
#[cfg(feature = "seal")]
mod pair;
pub mod policy;
#[cfg(feature = "seal")]
mod requests;
#[cfg(feature = "seal")]
mod simulated;
#[cfg(feature = "seal")]
mod store;

use super::kind::{
    Capabilities, DestinationKind, JournalKind, PolicyFaultSink, REMOVAL_FROM_MORE, Storage,
    StoreDestination, pending_name,
};
use super::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder};
use super::value_names::{describe_values, has_repeated_name, list_names};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::policy::scalar::is_region;
use crate::sanitize::{escape_markdown, markdown_code};
use crate::sentences::join_words;
use policy::SsmParameter;

const READ_ACTIONS: &[&str] = &["ssm:GetParameter"];
const WRITE_ACTIONS: &[&str] = &["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"];
const REMOVE_ACTIONS: &[&str] = &["ssm:DeleteParameter"];

impl DestinationKind for SsmParameter {
    fn kind_name(&self) -> &'static str {
        "ssm_parameter"
    }

    fn summary(&self) -> &'static str {
        "a SecureString parameter of AWS Systems Manager that holds JSON, or one for each value"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "ssm_parameter",
            updated_service: Some("AWS Systems Manager"),
            describe_target,
            describe_removal,
        }
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
        for name in self.parameter_names() {
            if !is_parameter_name(name) {
                report(
                    format!("`{name}` is not the name of a parameter"),
                    "write its full name, such as `/app/aws`, and not its ARN",
                );
            }
        }
        let is_default = self.access_key_id == policy::DEFAULT_NAMES[0]
            || self.secret_access_key == policy::DEFAULT_NAMES[1];
        if self.json.is_none() && is_default {
            report(
                "an `ssm_parameter` names no parameter".into(),
                "add `json`, or name both parameters as `access_key_id` and `secret_access_key`",
            );
        } else if has_repeated_name(&self.value_names(), str::eq) {
            report(
                "two fields of an `ssm_parameter` have one name".into(),
                "name a field of the JSON object, or a parameter, for each value",
            );
        }
    }

    fn written_values(&self) -> Vec<String> {
        let (noun, place) = match &self.json {
            Some(json) => ("field", format!("of the parameter `{json}` in {}", self.region)),
            None => ("parameter", format!("in {}", self.region)),
        };
        describe_values(noun, &self.value_names(), &place)
    }

    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions) {
        let names = self.parameter_names();
        let key_actions = match request.access {
            DestinationAccess::Audit | DestinationAccess::Delete => {
                // The first one says which key is there.
                let parameter = self.arn_of(names[0], request.scope);
                needed.allow(StatementOrder::Store, "KeytideReadsParameters", READ_ACTIONS, parameter);
                "`kms:Decrypt`"
            }
            DestinationAccess::Rotate => {
                let pending = self.arn_of(&self.pending_name(), request.scope);
                // The pending parameter is written with the same requests, under a name of its own.
                let parameters = names.iter().map(|name| self.arn_of(name, request.scope));
                for resource in parameters.chain([pending.clone()]) {
                    needed.allow(StatementOrder::Store, "KeytideWritesParameters", WRITE_ACTIONS, resource);
                }
                // The pending parameter of a pair stays: it has the former pair, for a rollback.
                if self.json.is_some() {
                    let sid = "KeytideRemovesPendingParameters";
                    needed.allow(StatementOrder::Store, sid, REMOVE_ACTIONS, pending);
                }
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

/// Describes what `destination_target` returned: the region, the parameter, then the names of the fields; or the region and
/// the parameters.
fn describe_target(target: &str) -> String {
    let (region, rest) = target.split_once(':').unwrap_or(("", target));
    let (names, noun) = match rest.rsplit_once(':') {
        Some((parameter, _)) => (vec![markdown_code(parameter)], "parameter"),
        None => {
            let noun = if rest.contains('+') { "parameters" } else { "parameter" };
            (rest.split('+').map(markdown_code).collect(), noun)
        }
    };
    format!("AWS Systems Manager {noun} {} in {}", join_words(&names), escape_markdown(region))
}

/// The commands that delete the parameters.
fn describe_removal(target: &str) -> String {
    let (region, rest) = target.split_once(':').unwrap_or(("", target));
    let command =
        |name: &str| markdown_code(&format!("aws ssm delete-parameter --region {region} --name {name}"));
    match rest.rsplit_once(':') {
        Some((parameter, _)) => format!("{}{REMOVAL_FROM_MORE}", command(parameter)),
        None => join_words(&rest.split('+').map(command).collect::<Vec<_>>()),
    }
}

impl StoreDestination for SsmParameter {
    fn target(&self) -> String {
        self.destination_target()
    }

    fn workflow_secret_owner(&self) -> Option<&str> {
        None
    }

    fn values_in_fleet(&self, account: Option<&str>) -> Vec<String> {
        let Some(account) = account else { return Vec::new() };
        self.written_values().into_iter().map(|value| format!("{value} of account {account}")).collect()
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
        let parameter = self.json.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
        format!("{}:{parameter}{}", self.region, self.value_names().join("+"))
    }

    /// The fields of the JSON, or the parameters that hold a value each, the access key ID first.
    fn value_names(&self) -> Vec<&str> {
        list_names(&self.access_key_id, &self.secret_access_key, self.ses_smtp_password.as_ref())
    }

    /// The parameter that holds JSON, or those that hold a value each, the access key ID first.
    fn parameter_names(&self) -> Vec<&str> {
        match &self.json {
            Some(name) => vec![name],
            None => self.value_names(),
        }
    }

    /// The parameter that holds JSON; empty where each value has a parameter.
    #[cfg(feature = "seal")]
    pub fn json_name(&self) -> &str {
        self.json.as_deref().unwrap_or_default()
    }

    /// The parameter that holds a new credential until the merge.
    pub fn pending_name(&self) -> String {
        pending_name(self.json.as_ref().unwrap_or(&self.secret_access_key), &self.destination_target())
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

    fn faults(spec: serde_json::Value) -> Vec<String> {
        let parameter: SsmParameter = serde_json::from_value(spec).unwrap();
        let mut found = Vec::new();
        parameter.check_fields(&mut |message, _| found.push(message));
        found
    }

    #[test]
    fn one_parameter_with_json_or_two_are_named() {
        let pair = serde_json::json!({
            "region": "eu-west-1", "access_key_id": "/app/aws/id", "secret_access_key": "/app/aws/secret",
        });
        assert_eq!(faults(pair.clone()), [""; 0]);
        assert_eq!(faults(serde_json::json!({ "json": "/app/aws", "region": "eu-west-1" })), [""; 0]);
        let found = faults(serde_json::json!({ "region": "eu-west-1" }));
        assert_eq!(found, ["an `ssm_parameter` names no parameter"]);
        let half = faults(serde_json::json!({ "region": "eu-west-1", "access_key_id": "/app/aws/id" }));
        assert_eq!(half, ["an `ssm_parameter` names no parameter"]);
        let one: SsmParameter = serde_json::from_value(pair).unwrap();
        let target = one.destination_target();
        assert_eq!(target, "eu-west-1:/app/aws/id+/app/aws/secret");
        let shown = describe_target(&target);
        assert_eq!(shown, "AWS Systems Manager parameters `/app/aws/id` and `/app/aws/secret` in eu-west-1");
        assert!(one.pending_name().starts_with("/app/aws/secret.keytide-"));
        let three = SsmParameter { ses_smtp_password: Some("/app/smtp".to_owned()), ..one.clone() };
        assert_eq!(faults(serde_json::to_value(&three).unwrap()), [""; 0]);
        assert_eq!(three.destination_target(), format!("{target}+/app/smtp"));
        let shown = describe_target(&three.destination_target());
        assert!(shown.contains("parameters `/app/aws/id`, `/app/aws/secret` and `/app/smtp` in"), "{shown}");
        assert_eq!(describe_removal(&three.destination_target()).matches("delete-parameter").count(), 3);
        let same = SsmParameter { secret_access_key: one.access_key_id.clone(), ..one };
        assert_eq!(faults(serde_json::to_value(same).unwrap()).len(), 1);
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
