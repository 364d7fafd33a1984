//! Defines the questions that each kind of destination answers about itself, and gets the kind of a destination of the
//! policy file.
//!
//! The matches and the lists below are the only places that name all kinds. No method has a default: a new kind that lacks
//! an answer does not compile.

use super::age::suggest::suggest_age_file;
use super::github_secret::location::describe_location;
use super::github_secret::suggest::suggest_secrets;
use super::inspection::Inspection;
use super::permissions::{NeededPermissions, PermissionRequest};
use super::sealed_secret::suggest::suggest_items;
use super::smtp_password::SmtpPassword;
use super::sops::suggest::suggest_values;
use super::suggestion::{CandidateFile, Suggestion};
use crate::hash::sha256_hex;
use crate::policy::Destination;
use crate::policy::file::{
    AgeDestination, GithubSecret, KeyReference, SealedSecret, SecretsManager, SopsDestination, SsmParameter,
    Vault,
};
use crate::rotation::{DestinationId, StorageKind, ids};
use crate::sanitize::{escape_markdown, markdown_code};

#[cfg(feature = "seal")]
use super::encryption::{SealDestination, SealWorkspace};
#[cfg(feature = "seal")]
use super::store::StoreClient;

/// Takes the message and the help of an error in the policy file.
pub type PolicyFaultSink<'a> = dyn FnMut(String, &str) + 'a;

/// One kind of destination.
pub trait DestinationKind {
    /// As the policy file and the journal call it.
    fn kind_name(&self) -> &'static str;

    /// What the kind is, for users.
    fn summary(&self) -> &'static str;

    /// How the kind is named where only a destination's ID in the journal is known.
    fn journal_kind() -> JournalKind
    where
        Self: Sized;

    /// Where the credential is stored.
    fn storage(&self) -> Storage<'_>;

    /// What the destination can do with a credential.
    fn capabilities(&self) -> Capabilities;

    /// Reports the errors between the fields, which the schema does not express.
    fn check_fields(&self, report: &mut PolicyFaultSink<'_>);

    /// Each value that the destination writes, in words; empty if it writes none of its own. No two destinations may write
    /// the same value.
    fn written_values(&self) -> Vec<String>;

    /// Adds the permissions on AWS that the destination needs.
    fn add_permissions(&self, request: &PermissionRequest<'_>, needed: &mut NeededPermissions);

    /// What must be read, beside the files, before a credential can be encrypted or written.
    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_>;

    /// How a credential is encrypted for it; `None` for a store that takes the credential itself.
    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination>;
}

/// A kind of destination as far as an ID in the journal shows it: the kind's name and a target.
#[derive(Debug, Clone, Copy)]
pub struct JournalKind {
    pub name: &'static str,
    /// The service that a run updates after the merge; `None` if the credential is in a file.
    pub updated_service: Option<&'static str>,
    /// Describes a target in the words of the product, as Markdown.
    pub describe_target: fn(&str) -> String,
    /// How a person takes the credential out of a target: the beginning of a sentence, as Markdown.
    pub describe_removal: fn(&str) -> String,
}

/// A destination whose credential is in a file of the repository.
pub trait FileDestination: DestinationKind {
    /// The file that holds the credential, then those that a rotation needs beside it.
    fn required_files(&self) -> Vec<&str>;

    /// The file that holds the credential.
    fn credential_file(&self) -> &str {
        self.required_files().first().copied().unwrap_or_default()
    }

    /// Whether a rotation makes that file where there is none.
    fn is_made_by_rotation(&self) -> bool;

    /// Checks that the bytes of that file keep the credential encrypted.
    fn inspect_file(&self, bytes: &[u8]) -> Inspection;
}

/// A destination whose credential is in a service.
pub trait StoreDestination: DestinationKind {
    /// Distinguishes the destination from others of its kind.
    fn target(&self) -> String;

    /// The repository or organization whose workflows read the credential, and could assume a role instead.
    fn workflow_secret_owner(&self) -> Option<&str>;

    /// Each value that the destination writes, in words that are the same in every repository for the same value, and for no
    /// other. `account` is that of the policy file; a store of an account that is not known has none.
    fn values_in_fleet(&self, account: Option<&str>) -> Vec<String>;

    /// Whether a workflow run that is queued before a change still reads the old credential.
    fn is_read_by_queued_runs(&self) -> bool;

    /// The names of the secrets that its payloads write, in the payloads' order; empty if it takes no payload.
    #[cfg(feature = "seal")]
    fn payload_names(&self) -> Vec<&str>;

    /// What the journal records for a key that the store holds until the merge; `None` if it holds none.
    #[cfg(feature = "seal")]
    fn staged_fingerprint(&self, key_id: &str) -> Option<String>;
}

/// The place beside a stored credential where a new one waits for the merge. Two destinations in one place have two.
pub fn pending_name(name: &str, target: &str) -> String {
    let digest = sha256_hex(target.as_bytes());
    format!("{name}.keytide-{}", &digest[..12])
}

/// Where a destination stores the credential.
pub enum Storage<'a> {
    File(&'a dyn FileDestination),
    Store(&'a dyn StoreDestination),
    /// Nowhere: files name the access key ID only.
    References(&'a KeyReference),
}

/// What a destination can do with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// keytide can bring back the former credential.
    pub restorable: bool,
    /// A write fails, and overwrites nothing, when another writer was there since the read.
    pub compare_and_swap: bool,
    /// The store takes the credential itself before the merge, and applications do not read it until then.
    pub staged: bool,
}

/// What must be read before a credential can be encrypted or written.
#[cfg(feature = "seal")]
pub enum Preparation<'a> {
    FilesOnly,
    /// The public key that a service publishes for this location.
    PublicKey {
        location: String,
    },
    /// Whether the store would take a credential.
    WritableStore,
    DataKey(&'a dyn DataKeyFile),
}

/// A file that is encrypted with a data key.
#[cfg(feature = "seal")]
pub trait DataKeyFile {
    fn path(&self) -> &str;

    /// Whether a new data key may replace the file's own, because nothing else is encrypted with it.
    fn may_replace_data_key(&self, workspace: &SealWorkspace) -> bool;
}

/// For each kind that can be recognised in the repository, the function that suggests destinations of it.
pub const SUGGESTERS: [fn(&CandidateFile<'_>) -> Vec<Suggestion>; 4] =
    [suggest_age_file, suggest_secrets, suggest_values, suggest_items];

/// All kinds, the stores first in the order in which a pull request names their services.
fn journal_kinds() -> [JournalKind; 8] {
    [
        GithubSecret::journal_kind(),
        SecretsManager::journal_kind(),
        SsmParameter::journal_kind(),
        Vault::journal_kind(),
        SopsDestination::journal_kind(),
        AgeDestination::journal_kind(),
        SealedSecret::journal_kind(),
        KeyReference::journal_kind(),
    ]
}

/// The kind of this name; `None` for one that only another version of keytide knows.
pub fn find_journal_kind(name: &str) -> Option<JournalKind> {
    journal_kinds().into_iter().find(|kind| kind.name == name)
}

/// A destination of the journal in the words of its product, such as "GitHub Actions secrets `X` and `Y` of `acme/app`".
pub fn describe_destination(id: &str) -> String {
    let Some((name, target)) = id.split_once(' ') else { return escape_markdown(id) };
    match find_journal_kind(name) {
        Some(kind) => (kind.describe_target)(target),
        None => format!("{} ({})", markdown_code(target), escape_markdown(name)),
    }
}

/// A recipient, as a rotation records it, in words and as Markdown: `age age1...` is the age recipient `age1...`.
pub fn describe_recipient(recipient: &str) -> String {
    let (kind, name) = recipient.split_once(' ').unwrap_or(("", recipient));
    let what = match kind {
        "github" => return format!("GitHub, with the public key of {}", describe_location(name)),
        "age" => "age recipient".to_owned(),
        "kms" => "AWS KMS key".to_owned(),
        "pgp" => "PGP key".to_owned(),
        kind => escape_markdown(kind),
    };
    format!("{what} {}", markdown_code(name))
}

/// How a person takes the credential out of a destination of the journal: an instruction without its full stop.
pub fn describe_removal(id: &str) -> String {
    let kind = id.split_once(' ').and_then(|(name, target)| Some((find_journal_kind(name)?, target)));
    match kind {
        Some((kind, target)) => (kind.describe_removal)(target),
        None => format!("take the credential out of {}", describe_destination(id)),
    }
}

/// The same for a file.
pub fn describe_file_removal(file: &str) -> String {
    format!("delete {} on the default branch{REMOVAL_FROM_MORE}", markdown_code(file))
}

/// What to do where the credential is not alone: a destination that lacks it cannot be told from one that is broken.
pub const REMOVAL_FROM_MORE: &str =
    " (if it holds more than the credential: take that out, then the destination out of the policy file)";

/// The services that hold these destinations of the journal, each once.
pub fn updated_services(ids: &[&str]) -> Vec<&'static str> {
    let names: Vec<&str> = ids.iter().filter_map(|id| id.split(' ').next()).collect();
    journal_kinds()
        .into_iter()
        .filter(|kind| names.contains(&kind.name))
        .filter_map(|kind| kind.updated_service)
        .collect()
}

impl Destination {
    /// What is specific to the kind of this destination.
    pub fn kind(&self) -> &dyn DestinationKind {
        match self {
            Self::Sops(sops) => &**sops,
            Self::Age(age) => &**age,
            Self::SealedSecret(sealed) => &**sealed,
            Self::GithubSecret(secret) => &**secret,
            Self::SecretsManager(secret) => &**secret,
            Self::SsmParameter(parameter) => &**parameter,
            Self::Vault(vault) => &**vault,
            Self::Reference(reference) => reference,
        }
    }

    /// The SMTP password that the destination holds, beside the secret access key or in its place.
    pub fn smtp_password(&self) -> Option<&SmtpPassword> {
        match self {
            Self::Sops(sops) => sops.smtp_password(),
            Self::Age(age) => age.smtp_password(),
            Self::SealedSecret(sealed) => sealed.smtp_password(),
            Self::GithubSecret(secret) => secret.smtp_password(),
            Self::SecretsManager(secret) => secret.smtp_password(),
            Self::SsmParameter(parameter) => parameter.smtp_password(),
            Self::Vault(vault) => vault.smtp_password(),
            Self::Reference(_) => None,
        }
    }

    /// Reports what is wrong between `secret_access_key` and the fields of an SMTP password.
    pub fn check_smtp_fields(&self, report: &mut PolicyFaultSink<'_>) {
        match self {
            Self::Sops(sops) => sops.check_smtp_fields(report),
            Self::Age(age) => age.check_smtp_fields(report),
            Self::SealedSecret(sealed) => sealed.check_smtp_fields(report),
            Self::GithubSecret(secret) => secret.check_smtp_fields(report),
            Self::SecretsManager(secret) => secret.check_smtp_fields(report),
            Self::SsmParameter(parameter) => parameter.check_smtp_fields(report),
            Self::Vault(vault) => vault.check_smtp_fields(report),
            Self::Reference(_) => {}
        }
    }

    /// The store of this destination, as the backend `B` reaches it; `None` when the credential is not in a store.
    #[cfg(feature = "seal")]
    pub fn store<B>(&self) -> Option<&dyn StoreClient<B>>
    where
        GithubSecret: StoreClient<B>,
        SecretsManager: StoreClient<B>,
        SsmParameter: StoreClient<B>,
        Vault: StoreClient<B>,
    {
        match self {
            Self::GithubSecret(secret) => Some(&**secret),
            Self::SecretsManager(secret) => Some(&**secret),
            Self::SsmParameter(parameter) => Some(&**parameter),
            Self::Vault(vault) => Some(&**vault),
            Self::Sops(_) | Self::Age(_) | Self::SealedSecret(_) | Self::Reference(_) => None,
        }
    }

    /// The ID and the storage of the destination in the journal; `None` when it holds no credential.
    pub fn identity(&self) -> Option<(DestinationId, StorageKind)> {
        let kind = self.kind();
        match kind.storage() {
            Storage::File(file) => {
                Some((ids::destination_id(kind.kind_name(), file.credential_file()), StorageKind::File))
            }
            Storage::Store(store) => {
                // The journal distinguishes a store that holds the key before the merge: it needs no payload to finish.
                let storage =
                    if kind.capabilities().staged { StorageKind::Versioned } else { StorageKind::Store };
                Some((ids::destination_id(kind.kind_name(), &store.target()), storage))
            }
            Storage::References(_) => None,
        }
    }

    /// The reference, if it is one. A user has one at most.
    pub fn as_reference(&self) -> Option<&KeyReference> {
        match self.kind().storage() {
            Storage::References(reference) => Some(reference),
            Storage::File(_) | Storage::Store(_) => None,
        }
    }
}

/// The file of a destination whose credential is in one.
pub fn as_file(destination: &Destination) -> Option<&dyn FileDestination> {
    match destination.kind().storage() {
        Storage::File(file) => Some(file),
        Storage::Store(_) | Storage::References(_) => None,
    }
}

/// The store of a destination whose credential is in one.
pub fn as_store(destination: &Destination) -> Option<&dyn StoreDestination> {
    match destination.kind().storage() {
        Storage::Store(store) => Some(store),
        Storage::File(_) | Storage::References(_) => None,
    }
}

/// How a credential is encrypted for a destination; `None` for a store that takes the credential itself.
#[cfg(feature = "seal")]
pub fn as_sealable(destination: &Destination) -> Option<&dyn SealDestination> {
    destination.kind().as_sealable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_described_in_the_words_of_their_product() {
        let cases = [
            ("age deploy/aws.env.age", "`deploy/aws.env.age` (age)"),
            ("sops deploy/secrets.enc.yaml", "`deploy/secrets.enc.yaml` (SOPS)"),
            ("github_secret actions:acme/app:X+Y", "GitHub Actions secrets `X` and `Y` of `acme/app`"),
            (
                "github_secret actions:acme/app:production:X",
                "GitHub Actions secret `X` of `acme/app` (environment `production`)",
            ),
            ("github_secret dependabot:acme/app:KEY", "GitHub Dependabot secret `KEY` of `acme/app`"),
            (
                "secrets_manager eu-west-1:arn:aws:secretsmanager:eu-west-1:1:secret:app:id+secret",
                "AWS Secrets Manager secret `arn:aws:secretsmanager:eu-west-1:1:secret:app` in eu-west-1",
            ),
            (
                "ssm_parameter eu-west-1:/app/aws:id+secret",
                "AWS Systems Manager parameter `/app/aws` in eu-west-1",
            ),
        ];
        for (id, text) in cases {
            assert_eq!(describe_destination(id).replace('\\', ""), text);
        }
    }

    #[test]
    fn recipients_are_described() {
        for (recipient, text) in [
            ("age age1x", "age recipient `age1x`"),
            ("kms arn:aws:kms:eu-west-1:1:key/x", "AWS KMS key `arn:aws:kms:eu-west-1:1:key/x`"),
            ("github actions:acme/app", "GitHub, with the public key of `acme/app`"),
            (
                "github actions:acme/app:production",
                "GitHub, with the public key of `acme/app` (environment `production`)",
            ),
            ("certificate sha256:ab", "certificate `sha256:ab`"),
        ] {
            assert_eq!(describe_recipient(recipient), text);
        }
    }
}
