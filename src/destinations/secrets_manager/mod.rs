//! The destination `secrets_manager`: a secret of AWS Secrets Manager that holds a JSON object, two of whose fields are the
//! credential. AWS encrypts it.
//!
//! Other fields belong to others: only the credential's values change, and no message quotes the text. The name of a version that
//! keytide creates is made of the credential and of the version that it was merged onto. A repeated request is therefore
//! harmless, and the credential of a version is known without reading its value.

#[cfg(feature = "online")]
mod client;
pub mod policy;
#[cfg(feature = "seal")]
pub mod simulated;
#[cfg(feature = "seal")]
mod text;
#[cfg(feature = "seal")]
pub mod versions;

use super::kind::{
    Capabilities, DestinationKind, JournalKind, PolicyFaultSink, REMOVAL_FROM_MORE, Storage, StoreDestination,
};
use super::permissions::{ArnScope, DestinationAccess, NeededPermissions, PermissionRequest, StatementOrder};
use super::value_names::{describe_values, has_repeated_name, list_names};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::policy::file::SecretsManager;
use crate::policy::scalar::{AccountId, Scalar as _, is_region};
use crate::sanitize::{escape_markdown, markdown_code};

/// Metadata only: it says which version is current.
const AUDIT_ACTIONS: &[&str] = &["secretsmanager:DescribeSecret"];
/// Also the values of versions that others wrote.
const READ_ACTIONS: &[&str] = &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
const WRITE_ACTIONS: &[&str] = &[
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

impl DestinationKind for SecretsManager {
    fn kind_name(&self) -> &'static str {
        "secrets_manager"
    }

    fn summary(&self) -> &'static str {
        "a secret of AWS Secrets Manager that holds JSON"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "secrets_manager",
            updated_service: Some("AWS Secrets Manager"),
            describe_target,
            describe_removal,
        }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::Store(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { restorable: true, compare_and_swap: true, staged: true }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        let region = &self.region;
        if !is_region(region) {
            report(
                "the `region` of a `secrets_manager` is no region".into(),
                "write one such as `eu-west-1`",
            );
        }
        // A wildcard would become one of the policy that `iam-policy` prints
        if !is_secret_id(&self.secret_id) {
            report(
                format!("`{}` is not the name or ARN of a secret", self.secret_id),
                "write its name, such as `prod/aws`: letters, digits and `/_+=.@-`",
            );
        }
        // A request goes to the endpoint of `region`, where a secret of another region does not exist.
        let named = self.secret_id.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        if let Some(named) = named.filter(|named| named != region) {
            report(
                format!("the secret's ARN is of the region `{named}`, and `region` says `{region}`"),
                "write one region",
            );
        }
        if has_repeated_name(&self.field_names(), str::eq) {
            report(
                "two fields of a `secrets_manager` have one name".into(),
                "name a field of the secret for each value",
            );
        }
    }

    fn written_values(&self) -> Vec<String> {
        describe_values(
            "field",
            &self.field_names(),
            &format!("of the secret `{}` in {}", self.secret_id, self.region),
        )
    }

    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions) {
        let (sid, actions, key_actions) = match request.access {
            DestinationAccess::Audit => ("KeytideSeesVersions", AUDIT_ACTIONS, None),
            DestinationAccess::Rotate => {
                ("KeytideWritesSecrets", WRITE_ACTIONS, Some("`kms:Decrypt` and `kms:GenerateDataKey`"))
            }
            DestinationAccess::Delete => ("KeytideReadsSecrets", READ_ACTIONS, Some("`kms:Decrypt`")),
        };
        needed.allow(StatementOrder::Store, sid, actions, self.arn(request.scope));
        if let Some(key_actions) = key_actions {
            needed.note(
                StatementOrder::Store,
                format!(
                    "a secret that is encrypted with a KMS key of your own needs {key_actions} on that key as well"
                ),
            );
        }
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

/// Describes what `destination_target` returned: the region, the secret, then the names of the fields.
fn describe_target(target: &str) -> String {
    let (region, secret) = split_target(target);
    format!("AWS Secrets Manager secret {} in {}", markdown_code(secret), escape_markdown(region))
}

/// The region and the secret.
fn split_target(target: &str) -> (&str, &str) {
    let (region, rest) = target.split_once(':').unwrap_or(("", target));
    // The names of the fields come after the last colon; an ARN has colons of its own.
    (region, rest.rsplit_once(':').map_or(rest, |(secret, _)| secret))
}

/// The command that deletes the secret.
fn describe_removal(target: &str) -> String {
    let (region, secret) = split_target(target);
    let command = format!("aws secretsmanager delete-secret --region {region} --secret-id {secret}");
    format!("{}{REMOVAL_FROM_MORE}", markdown_code(&command))
}

impl StoreDestination for SecretsManager {
    fn target(&self) -> String {
        self.destination_target()
    }

    fn workflow_secret_owner(&self) -> Option<&str> {
        None
    }

    fn values_in_fleet(&self, account: Option<&str>) -> Vec<String> {
        let (name, own) = split_secret_id(&self.secret_id);
        let Some(account) = own.or(account) else { return Vec::new() };
        let place = format!("of the secret `{name}` in {} of account {account}", self.region);
        describe_values("field", &self.field_names(), &place)
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

impl SecretsManager {
    /// Distinguishes this destination from others, of the same secret too.
    pub fn destination_target(&self) -> String {
        format!("{}:{}:{}", self.region, self.secret_id, self.field_names().join("+"))
    }

    fn field_names(&self) -> Vec<&str> {
        list_names(&self.access_key_id, &self.secret_access_key, self.ses_smtp_password.as_ref())
    }

    /// The ARN of the secret: AWS adds a hyphen and six characters to its name.
    fn arn(&self, scope: &ArnScope<'_>) -> String {
        if self.secret_id.starts_with("arn:") {
            return self.secret_id.clone();
        }
        let ArnScope { partition, account } = scope;
        format!("arn:{partition}:secretsmanager:{}:{account}:secret:{}-??????", self.region, self.secret_id)
    }
}

/// The name of a secret, and its account if the ID is an ARN. AWS adds a hyphen and six characters to the name in an ARN.
fn split_secret_id(id: &str) -> (&str, Option<&str>) {
    let Some(arn) = id.strip_prefix("arn:") else { return (id, None) };
    let [_, _, _, account, _, name] = arn.split(':').collect::<Vec<_>>()[..] else { return (id, None) };
    let plain = name.rsplit_once('-').filter(|(_, added)| {
        added.len() == ARN_SUFFIX && added.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    (plain.map_or(name, |(name, _)| name), Some(account))
}

/// How many characters AWS adds to the name of a secret in its ARN, after a hyphen.
const ARN_SUFFIX: usize = 6;

/// Whether Secrets Manager takes a secret's name or ARN (AWS API reference, `CreateSecret`).
fn is_secret_id(id: &str) -> bool {
    let Some(arn) = id.strip_prefix("arn:") else { return is_secret_name(id) && id.len() <= 512 };
    match arn.split(':').collect::<Vec<_>>()[..] {
        [partition, "secretsmanager", region, account, "secret", name] => {
            is_secret_name(partition)
                && is_region(region)
                && AccountId::parse(account).is_ok()
                && is_secret_name(name)
        }
        _ => false,
    }
}

fn is_secret_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_secret_is_in_its_arn() {
        let arn = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}");
        for (id, name, account) in [
            ("prod/aws-AbCdEf", "prod/aws-AbCdEf", None),
            (&arn("prod/aws-AbCdEf"), "prod/aws", Some("123456789012")),
            (&arn("prod/aws"), "prod/aws", Some("123456789012")),
            (&arn("a-b-AbCdE_"), "a-b-AbCdE_", Some("123456789012")),
        ] {
            assert_eq!(split_secret_id(id), (name, account), "{id}");
        }
    }

    #[test]
    fn a_secret_id_is_a_name_or_the_arn_of_one_secret() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/aws-AbCdEf";
        for good in ["prod/aws", "a", "Team+x=1.@_-", arn, &arn.replace("arn:aws:", "arn:aws-us-gov:")] {
            assert!(is_secret_id(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "prod/*",
            "prod/aw?",
            "a b",
            "${aws:username}",
            &"a".repeat(513),
            &arn.replace("AbCdEf", "*"),
            &arn.replace("123456789012", "*"),
            &arn.replace(":secret:", ":*:"),
            &arn.replace("secretsmanager", "ssm"),
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
        ] {
            assert!(!is_secret_id(bad), "{bad}");
        }
    }
}
