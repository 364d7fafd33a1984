//! The destination `github_secret`: secrets of a GitHub repository, environment or organization.

mod checks;
#[cfg(feature = "online")]
mod client;
#[cfg(feature = "seal")]
mod encrypt;
pub mod location;
pub mod policy;
#[cfg(feature = "seal")]
mod simulated;
pub mod suggest;

#[cfg(feature = "seal")]
use self::location::{describe_location, product_name};
use self::location::{describe_removal, describe_target};
use super::kind::{Capabilities, DestinationKind, JournalKind, PolicyFaultSink, Storage, StoreDestination};
use super::permissions::{NeededPermissions, PermissionRequest};
use super::plaintext::{CredentialFormat, TextLayout};
#[cfg(feature = "seal")]
use super::{encryption::SealDestination, kind::Preparation};
use crate::policy::file::{GithubProduct, GithubSecret};

impl DestinationKind for GithubSecret {
    fn kind_name(&self) -> &'static str {
        "github_secret"
    }

    fn summary(&self) -> &'static str {
        "two secrets of a GitHub repository, environment or organization, or one that holds both as JSON"
    }

    fn journal_kind() -> JournalKind {
        JournalKind {
            name: "github_secret",
            updated_service: Some("the GitHub secrets"),
            describe_target,
            describe_removal,
        }
    }

    fn storage(&self) -> Storage<'_> {
        Storage::Store(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { restorable: false, compare_and_swap: false, staged: false }
    }

    fn check_fields(&self, report: &mut PolicyFaultSink<'_>) {
        checks::check_owner(self, report);
        checks::check_names(self, report);
        checks::check_name_combination(self, report);
    }

    fn written_values(&self) -> Vec<String> {
        checks::written_secrets(self)
    }

    fn add_permissions(&self, _: &PermissionRequest<'_>, _: &mut NeededPermissions) {}

    #[cfg(feature = "seal")]
    fn preparation(&self) -> Preparation<'_> {
        Preparation::PublicKey { location: self.api_location() }
    }

    #[cfg(feature = "seal")]
    fn as_sealable(&self) -> Option<&dyn SealDestination> {
        Some(self)
    }
}

impl StoreDestination for GithubSecret {
    fn target(&self) -> String {
        self.destination_target()
    }

    fn workflow_secret_owner(&self) -> Option<&str> {
        self.repository.as_deref().or(self.organization.as_deref())
    }

    fn values_in_fleet(&self, _: Option<&str>) -> Vec<String> {
        self.written_values()
    }

    /// Secrets of an environment are read when the job starts, all others when the run is queued.
    fn is_read_by_queued_runs(&self) -> bool {
        self.environment.is_none()
    }

    #[cfg(feature = "seal")]
    fn payload_names(&self) -> Vec<&str> {
        self.secret_names()
    }

    #[cfg(feature = "seal")]
    fn staged_fingerprint(&self, _: &str) -> Option<String> {
        None
    }
}

impl GithubSecret {
    /// The location of the secrets, for which GitHub has one public key: `actions:acme/app:production`.
    pub fn api_location(&self) -> String {
        let product = match self.product {
            GithubProduct::Actions => "actions",
            GithubProduct::Dependabot => "dependabot",
            GithubProduct::Codespaces => "codespaces",
        };
        let owner = self.repository.as_deref().or(self.organization.as_deref()).unwrap_or_default();
        let environment = self.environment.iter().map(|name| format!(":{name}"));
        format!("{product}:{owner}{}", environment.collect::<String>())
    }

    /// The secrets of the location in words, for a message: "GitHub Actions secrets of `acme/app`".
    #[cfg(feature = "seal")]
    fn describe_secrets(&self) -> String {
        let location = self.api_location();
        let product = location.split(':').next().unwrap_or_default();
        format!("GitHub {} secrets of {}", product_name(product), describe_location(&location))
    }

    /// The names of the secrets: of the one that holds JSON, or of one for each value of the credential.
    pub fn secret_names(&self) -> Vec<&str> {
        let Self { json, access_key_id, secret_access_key, ses_smtp_password, .. } = self;
        let names = match json {
            Some(_) => [json, &None, &None],
            None => [access_key_id, secret_access_key, ses_smtp_password],
        };
        names.into_iter().flatten().map(String::as_str).collect()
    }

    /// How the credential is written in the secret that holds JSON.
    fn layout(&self) -> TextLayout<'_> {
        let (secret, smtp_password) = (self.secret_access_key.as_ref(), self.ses_smtp_password.as_ref());
        TextLayout { format: CredentialFormat::Json, secret, smtp_password }
    }

    /// Distinguishes this destination from others: the location, then the names of the secrets.
    pub fn destination_target(&self) -> String {
        // The order of the names is in journals of earlier versions: another one would be another destination.
        format!("{}:{}", self.api_location(), self.secret_names().join("+"))
    }
}
