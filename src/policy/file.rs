//! The format of the policy file: one type per section. The JSON Schema is generated from these types, and editors
//! show the documentation of a field. Checks between fields are in [`super::check`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::scalar::{
    AccountId, CalendarDate, FileGlob, FilePath, LongDuration, PolicyDuration, RoleArn, RuleName, UserGlob,
    UserName, UserPath, VariableName,
};
use crate::diagnostic::Position;

pub use crate::destinations::age::policy::AgeDestination;
pub use crate::destinations::github_secret::policy::{GithubProduct, GithubSecret};
pub use crate::destinations::reference::policy::KeyReference;
pub use crate::destinations::sealed_secret::policy::SealedSecret;
pub use crate::destinations::secrets_manager::policy::SecretsManager;
pub use crate::destinations::smtp_password::WithSmtp;
pub use crate::destinations::sops::policy::SopsDestination;
pub use crate::destinations::ssm_parameter::policy::SsmParameter;
pub use crate::destinations::vault::policy::Vault;

/// The JSON Schema keyword that makes the shape check pass on the position of a value.
pub const LOCATED: &str = "x-keytide-located";

/// A value with its position in the file.
#[derive(Debug, Clone, Deserialize)]
pub struct Located<T> {
    pub at: Position,
    pub value: T,
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert(LOCATED.to_owned(), true.into());
        schema
    }
}

/// The IAM users that this repository owns, the limits on their access keys, and how the keys are rotated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The version of the format. It is 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked by the schema; there is one version")]
    version: u8,
    /// A preset (`cis-aws-v7`, `cis-aws-v6`, `cis-aws-v5`, `cis-aws-v3`, `aws-fsbp`, `pci-dss-4`, `strict`) or the path of
    /// a base file, relative to this file. The default is `cis-aws-v7`.
    pub extends: Option<Located<String>>,
    /// The AWS account ID, in quotes. keytide refuses to work with any other account. Required for rotation.
    pub account: Option<AccountId>,
    /// The IAM role to assume before calling AWS.
    pub role_arn: Option<RoleArn>,
    /// Default limits for all users.
    #[serde(default)]
    pub limits: KeyLimits,
    /// The IAM users of this repository. `[]` in a repository that uses `keytide check` alone, with exemptions.
    pub users: Vec<Located<UserEntry>>,
    /// Globs over user names. A user of the account that matches one and is not listed in `users` is reported.
    #[serde(default)]
    pub claim: Vec<Located<UserGlob>>,
    /// Default rotation settings. They do not enable rotation: only `rotation` of a user does.
    #[serde(default)]
    pub rotation: RotationPatch,
    /// Findings that are accepted until a date, each with a reason.
    #[serde(default)]
    pub exemptions: Vec<Located<Exemption>>,
    /// Where `audit` and `rotate` report problems, beside their own output.
    pub notify: Option<Located<Notify>>,
}

/// A preset, or a base file that several policy files share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseFile {
    /// The version of the format. It is 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked by the schema; there is one version")]
    version: u8,
    /// A preset, or the path of a base file, relative to the policy file.
    pub extends: Option<Located<String>>,
    /// Default limits for all users.
    #[serde(default)]
    pub limits: KeyLimits,
    /// Default rotation settings. They do not enable rotation: only `rotation` of a user does.
    #[serde(default)]
    pub rotation: RotationPatch,
    /// For each rule, the controls of a standard that it covers.
    #[serde(default)]
    pub controls: BTreeMap<String, Vec<String>>,
}

/// Limits on access keys and service-specific credentials. A limit that is not set here is inherited: from the file, then from `extends`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Limits")]
pub struct KeyLimits {
    /// The maximum age of an active key. An older key is an error; a key of exactly this age passes.
    pub max_age: Option<PolicyDuration>,
    /// How long before `max_age` a key is reported as a warning; the same before `max_service_credential_age`.
    pub warn_before: Option<PolicyDuration>,
    /// The maximum number of active keys per user.
    #[schemars(range(max = 100))]
    pub max_active_keys: Option<u32>,
    /// The maximum time that an active key may be unused, counted from its last use or, if it was never used, from its
    /// creation.
    pub max_unused: Option<PolicyDuration>,
    /// How long an inactive key may be kept before it is reported as a warning.
    pub max_inactive: Option<PolicyDuration>,
    /// The maximum age of an active service-specific credential: for CodeCommit, Keyspaces, or as an API key of Bedrock. Without
    /// this limit and `max_active_service_credentials` such credentials are not read.
    pub max_service_credential_age: Option<PolicyDuration>,
    /// The maximum number of active service-specific credentials per user, of all services together.
    #[schemars(range(max = 100))]
    pub max_active_service_credentials: Option<u32>,
}

/// One IAM user (`name`) or all users that match a glob (`match`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserEntry {
    /// The name of an IAM user.
    pub name: Option<UserName>,
    /// A glob over user names, such as `svc-*`. An entry with `name` takes precedence, then the earlier entry.
    #[serde(rename = "match")]
    pub matches: Option<UserGlob>,
    /// Only with `match`: users at or below this IAM path.
    pub path: Option<UserPath>,
    /// Limits of these users. Each overrides the default limit of the same name.
    #[serde(default)]
    pub limits: KeyLimits,
    /// The regions and services in which the keys may be used. A last use elsewhere is an error.
    pub allow: Option<AllowedUse>,
    /// Enables rotation for this user. It may be empty; the settings override those of the top-level `rotation`.
    pub rotation: Option<RotationPatch>,
    /// Retires the keys of this user, in place of `rotation`: each is deactivated once nothing refers to it or uses it, and
    /// deleted after `soak`. No new key is created. It may be empty.
    pub retire: Option<RetirementPatch>,
    /// Every place from which applications read the credential.
    #[serde(default, deserialize_with = "serde_yaml::with::singleton_map_recursive::deserialize")]
    #[schemars(with = "Vec<Located<Destination>>")]
    pub destinations: Vec<Located<Destination>>,
}

/// The regions and services in which keys may be used.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Allow")]
pub struct AllowedUse {
    /// AWS regions, as IAM reports them for a last use.
    #[serde(default)]
    pub regions: Vec<String>,
    /// AWS services, as IAM reports them for a last use (`s3`, `sts`).
    #[serde(default)]
    pub services: Vec<String>,
}

/// How a user's key is rotated. A setting that is not set here is inherited: from the file, then from `extends`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationPatch {
    /// The age at which the rotation of a key starts. The default is `75d`, or the age at which audits begin to warn.
    pub start_at: Option<PolicyDuration>,
    /// How long both keys stay active after all destinations have the new one. The default is `7d`. Where a destination is
    /// a GitHub secret it is at least `30d`, for as long as a run may wait with the old key, unless the user's own entry
    /// sets it.
    pub grace: Option<PolicyDuration>,
    /// How long the old key must be unused before it is deactivated; at least `24h`. The default is `3d`.
    pub quiet: Option<LongDuration>,
    /// How long the old key stays inactive before it is deleted; at least `24h`. The default is `14d`.
    pub soak: Option<LongDuration>,
    /// Whether to describe the key in a tag of the user, which the AWS console shows.
    pub describe_keys: Option<bool>,
    /// Whether AWS must have recorded a use of the new key before the old one is deactivated. The default is `true`.
    pub require_use: Option<bool>,
    /// A workflow that must succeed after the merge and again after the deactivation.
    pub validate: Option<ValidationWorkflow>,
    /// A workflow that keytide starts once all destinations have the new key, and again after a rollback. The token needs
    /// `actions: write`.
    pub redeploy: Option<RedeployWorkflow>,
    /// Users and teams whose review of the pull request is requested.
    pub reviewers: Option<Vec<String>>,
    /// Labels for the pull request.
    pub labels: Option<Vec<String>>,
}

/// How the keys of a user that needs none any more are retired.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Retirement")]
pub struct RetirementPatch {
    /// How long a key must be unused, and named by nothing in the repository, before it is deactivated; at least `24h`.
    /// The default is `14d`.
    pub quiet: Option<LongDuration>,
    /// How long a key stays inactive before it is deleted; at least `24h`. The default is `30d`.
    pub soak: Option<LongDuration>,
}

/// A workflow of this repository that tests the application with its credential.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Validate")]
pub struct ValidationWorkflow {
    /// The file name of the workflow, `smoke.yml`.
    pub workflow: FilePath,
}

/// A workflow of this repository that deploys the application, so that it loads the credential that its destinations hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Redeploy")]
pub struct RedeployWorkflow {
    /// The file name of the workflow, `deploy.yml`. Its `on:` has `workflow_dispatch`, without inputs that are required.
    pub workflow: FilePath,
}

/// Findings that are accepted until a date.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// A user name or a glob. `*` also covers findings that are not about a user, such as a key in a file.
    pub user: UserGlob,
    /// The rules whose findings are accepted.
    #[schemars(length(min = 1))]
    pub rules: Vec<RuleName>,
    /// Only findings in these files: globs over the repository's files. Only with rules that look into files.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub files: Vec<FileGlob>,
    /// The date, `YYYY-MM-DD`, on which the exemption ends (at midnight UTC). From then on it is reported itself.
    pub until: CalendarDate,
    /// Why the findings are accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// Where `audit` and `rotate` report problems: an issue of this repository, a webhook, or both.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// One issue for this policy file: opened, updated, closed and reopened. It may be empty. The token needs
    /// `issues: write`.
    pub issue: Option<NotifyIssue>,
    /// A message for each change that the issue gets a comment for.
    pub webhook: Option<NotifyWebhook>,
}

/// The issue of a policy file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyIssue {
    /// Labels for the issue when it is opened.
    #[serde(default)]
    pub labels: Vec<String>,
    /// GitHub users to assign when the issue is opened; at most ten.
    #[serde(default)]
    pub assignees: Vec<String>,
    /// Also list keys that become due within this time.
    pub before: Option<PolicyDuration>,
}

/// The webhook of a policy file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyWebhook {
    /// The environment variable with the URL, which is a secret. Only `https` URLs are accepted, and `http` to this machine's loopback.
    pub url_from: VariableName,
    /// The format of the message.
    pub format: WebhookFormat,
}

/// The format of a webhook's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum WebhookFormat {
    Slack,
    Teams,
    Json,
}

/// A place from which applications read the credential.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// Values of a file encrypted with SOPS.
    Sops(WithSmtp<SopsDestination>),
    /// A whole file encrypted with age.
    Age(WithSmtp<AgeDestination>),
    /// Items of a SealedSecret.
    SealedSecret(WithSmtp<SealedSecret>),
    /// Two secrets of a GitHub repository, environment or organization, or one that holds both as JSON.
    GithubSecret(WithSmtp<GithubSecret>),
    /// A secret of AWS Secrets Manager.
    SecretsManager(WithSmtp<SecretsManager>),
    /// A SecureString parameter of AWS Systems Manager.
    SsmParameter(WithSmtp<SsmParameter>),
    /// A secret of Vault or OpenBao.
    Vault(WithSmtp<Vault>),
    /// Files that name the access key ID in clear text.
    Reference(KeyReference),
}

impl Exemption {
    /// Whether it covers the findings of a rule about a user, in a file if they are in one, as long as it has not expired.
    pub fn covers(&self, rule: &str, user: &str, file: Option<&str>) -> bool {
        let is_in_file = self.files.is_empty()
            || file.is_some_and(|file| self.files.iter().any(|glob| glob.is_match(file)));
        is_in_file && self.user.is_match(user) && self.rules.iter().any(|listed| listed.0 == rule)
    }

    /// From midnight UTC of `until` on, an exemption no longer holds.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.to_zoned_datetime(TimeZone::UTC).date() >= self.until.0
    }
}
