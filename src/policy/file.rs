//! The policy file as it is written: one type a section, from which the JSON Schema is generated as well.
//!
//! A field's documentation is what an editor shows. Rules between fields live in [`super::check`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::scalar::{
    AccountId, CalendarDate, FilePath, LongDuration, PolicyDuration, RoleArn, RuleName, UserGlob, UserName,
    UserPath,
};
use crate::diagnostic::Position;

/// The JSON Schema keyword that asks the shape check to hand on where a value stands.
pub const LOCATED: &str = "x-keytide-located";

/// A value with its place in the file.
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

/// The IAM users that this repository owns, the limits their access keys must keep, and how they are rotated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked by the schema; there is one version")]
    version: u8,
    /// A preset (`cis-aws-v5`, `cis-aws-v3`, `aws-fsbp`, `pci-dss-4`, `strict`) or a file relative to this one.
    /// Without it `cis-aws-v5` applies.
    pub extends: Option<Located<String>>,
    /// The AWS account of the users, in quotes. Any other account is refused.
    pub account: Option<AccountId>,
    /// A role that is assumed before anything is read.
    pub role_arn: Option<RoleArn>,
    /// The limits of every user that does not set its own.
    #[serde(default)]
    pub limits: KeyLimits,
    /// The IAM users of this repository.
    #[schemars(length(min = 1))]
    pub users: Vec<Located<UserEntry>>,
    /// Globs over user names: a user of the account that matches and that no entry lists is a finding.
    #[serde(default)]
    pub claim: Vec<Located<UserGlob>>,
    /// Defaults for the users that may be rotated.
    #[serde(default)]
    pub rotation: RotationPatch,
    /// Findings that are accepted until a day, with the reason.
    #[serde(default)]
    pub exemptions: Vec<Located<Exemption>>,
}

/// What a preset or a shared base file may hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseFile {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "checked by the schema; there is one version")]
    version: u8,
    /// A preset, or a file relative to the policy file.
    pub extends: Option<Located<String>>,
    /// Limits.
    #[serde(default)]
    pub limits: KeyLimits,
    /// Defaults for the users that may be rotated.
    #[serde(default)]
    pub rotation: RotationPatch,
    /// For each rule, the controls of a standard that it serves.
    #[serde(default)]
    pub controls: BTreeMap<String, Vec<String>>,
}

/// The limits an access key must keep. What is not set is taken from the level above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Limits")]
pub struct KeyLimits {
    /// An active key older than this is an error. Exactly this age passes.
    pub max_age: Option<PolicyDuration>,
    /// A warning when an active key comes this close to `max_age`.
    pub warn_before: Option<PolicyDuration>,
    /// How many active keys a user may have.
    #[schemars(range(max = 100))]
    pub max_active_keys: Option<u32>,
    /// An active key not used for this long, or never used and this old, is an error.
    pub max_unused: Option<PolicyDuration>,
    /// An inactive key kept longer than this is a warning.
    pub max_inactive: Option<PolicyDuration>,
}

/// One IAM user (`name`) or all users that match a glob (`match`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserEntry {
    /// The name of one IAM user.
    pub name: Option<UserName>,
    /// A glob over user names. A name's entry beats a glob's, an earlier glob a later one.
    #[serde(rename = "match")]
    pub matches: Option<UserGlob>,
    /// With `match`: only users at or below this IAM path.
    pub path: Option<UserPath>,
    /// Limits of these users, field by field.
    #[serde(default)]
    pub limits: KeyLimits,
    /// Where these users' keys may be used. A last use elsewhere is an error.
    pub allow: Option<AllowedUse>,
    /// Present, even empty: these users may be rotated.
    pub rotation: Option<RotationPatch>,
    /// Every place that applications read the credential from.
    #[serde(default, deserialize_with = "serde_yaml::with::singleton_map_recursive::deserialize")]
    #[schemars(with = "Vec<Located<Destination>>")]
    pub destinations: Vec<Located<Destination>>,
}

/// Where a key may be used.
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

/// How a user's key is rotated. What is not set is taken from the level above.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationPatch {
    /// The age of the key at which its rotation begins.
    pub start_at: Option<PolicyDuration>,
    /// How long both keys stay active after the new one is distributed.
    pub grace: Option<PolicyDuration>,
    /// How long the old key must not have been used before it is deactivated.
    pub quiet: Option<LongDuration>,
    /// How long the old key stays inactive before it is deleted.
    pub soak: Option<LongDuration>,
    /// Write a description of the key where the console shows it.
    pub describe_keys: Option<bool>,
    /// The new key must have been seen in use before the old one is deactivated.
    pub require_use: Option<bool>,
    /// What must succeed after the merge and after the deactivation.
    pub validate: Option<ValidationWorkflow>,
    /// Who is asked to review the pull request.
    pub reviewers: Option<Vec<String>>,
    /// Labels of the pull request.
    pub labels: Option<Vec<String>>,
}

/// A workflow of the repository that proves that the application works.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Validate")]
pub struct ValidationWorkflow {
    /// The file name of the workflow, `smoke.yml`.
    pub workflow: FilePath,
}

/// A finding that is accepted for a while.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// A user name or a glob. `*` also covers findings about no user, such as key material in a file.
    pub user: UserGlob,
    /// The rules that are not applied.
    #[schemars(length(min = 1))]
    pub rules: Vec<RuleName>,
    /// From this day on (midnight UTC) the exemption no longer holds and is itself a finding.
    pub until: CalendarDate,
    /// Why this is accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// A place that an application reads the credential from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// Two values of a file encrypted with SOPS.
    Sops(SopsDestination),
    /// A whole file encrypted with age.
    Age(AgeDestination),
    /// Two items of a SealedSecret.
    SealedSecret(SealedSecret),
    /// Two secrets of a GitHub repository, environment or organization, or one that holds both as JSON.
    GithubSecret(GithubSecret),
    /// A secret of AWS Secrets Manager.
    SecretsManager(SecretsManager),
    /// Files that name the access key ID in clear text.
    Reference(KeyReference),
}

/// Two values of a file encrypted with SOPS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Sops")]
pub struct SopsDestination {
    /// The file: YAML, JSON, dotenv or INI by its name's ending. A binary file of SOPS is one value and cannot be
    /// rotated.
    pub file: FilePath,
    /// The path of the access key ID in the file, dotted: `aws.access_key_id`, `profiles.0.id`, of a dotenv file the
    /// key.
    pub access_key_id: String,
    /// The path of the secret access key in the file, dotted.
    pub secret_access_key: String,
}

/// A whole file encrypted with age.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Age")]
pub struct AgeDestination {
    /// The file.
    pub file: FilePath,
    /// What the file holds when it is decrypted: `dotenv` (`AWS_ACCESS_KEY_ID=`, `AWS_SECRET_ACCESS_KEY=`), `json`
    /// (`{"AccessKeyId": ..., "SecretAccessKey": ...}`) or `ini` (the profile `default` of the AWS command line).
    pub format: AgeFormat,
    /// Recipients, `age1...`. A plugin is never run.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// A file with one recipient a line; `#` begins a comment.
    pub recipients_file: Option<FilePath>,
}

/// What an age file holds when it is decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AgeFormat {
    Dotenv,
    Json,
    Ini,
}

/// Two items of a SealedSecret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    /// The manifest.
    pub file: FilePath,
    /// The controller's certificate, PEM.
    pub certificate: FilePath,
    /// The item with the access key ID.
    pub access_key_id: String,
    /// The item with the secret access key.
    pub secret_access_key: String,
}

/// Secrets of GitHub.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubSecret {
    /// `OWNER/NAME`.
    pub repository: Option<String>,
    /// An organization, instead of a repository.
    pub organization: Option<String>,
    /// An environment of the repository.
    pub environment: Option<String>,
    /// Which of GitHub's products reads it.
    #[serde(default)]
    pub product: GithubProduct,
    /// The name of the secret with the access key ID.
    pub access_key_id: Option<String>,
    /// The name of the secret with the secret access key.
    pub secret_access_key: Option<String>,
    /// Instead of the two: the name of one secret that holds both as JSON (`AccessKeyId`, `SecretAccessKey`), the only
    /// atomic way.
    pub json: Option<String>,
}

/// Which of GitHub's products reads a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum GithubProduct {
    #[default]
    Actions,
    Dependabot,
    Codespaces,
}

/// A secret of AWS Secrets Manager that holds JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsManager {
    /// The secret's name or ARN.
    pub secret_id: String,
    /// The secret's region.
    pub region: String,
    /// The JSON key of the access key ID.
    pub access_key_id: String,
    /// The JSON key of the secret access key.
    pub secret_access_key: String,
}

/// Files that name the access key ID in clear text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[serde(rename = "Reference")]
pub struct KeyReference {
    /// Globs over the repository's files; `*` does not cross a slash, `**` does.
    #[schemars(length(min = 1))]
    pub files: Vec<String>,
}

impl Destination {
    /// The reference, if it is one. A user has one at most.
    pub fn as_reference(&self) -> Option<&KeyReference> {
        match self {
            Self::Reference(reference) => Some(reference),
            _ => None,
        }
    }
}

impl KeyReference {
    /// What its globs match.
    ///
    /// # Errors
    /// The first glob that is broken.
    pub fn compile_globs(&self) -> Result<GlobSet, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in &self.files {
            set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
        }
        set.build()
    }
}
