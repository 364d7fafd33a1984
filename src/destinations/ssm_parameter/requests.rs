//! Defines the single requests to Parameter Store, which AWS and the simulation answer.

use secrecy::SecretString;

use super::policy::SsmParameter;
use crate::ports::BackendResult;

/// The single requests.
#[expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]
pub trait ParameterStore {
    /// The newest version of a parameter; `None`: there is no such parameter.
    async fn read_newest(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterVersion>>;
    /// The settings of the newest version, without its text.
    async fn read_settings(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterSettings>>;
    /// The texts of all versions that the store keeps, newest first.
    async fn list_texts(&self, parameter: &SsmParameter, name: &str) -> BackendResult<Vec<ParameterVersion>>;
    /// Writes a version, and returns its number. May be repeated. A write that may not replace a parameter is
    /// [`crate::ports::ErrorKind::Conflict`] where one exists.
    async fn put(&self, parameter: &SsmParameter, write: &ParameterWrite<'_>) -> BackendResult<u64>;
    /// May be repeated; a parameter that does not exist is [`crate::ports::ErrorKind::NotFound`].
    async fn delete(&self, parameter: &SsmParameter, name: &str) -> BackendResult<()>;
}

/// One version of a parameter.
pub struct ParameterVersion {
    pub number: u64,
    pub text: SecretString,
}

/// What a write would reset to the account's defaults, unless it says it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSettings {
    pub is_secure: bool,
    /// A list of texts, which is no place for a credential.
    pub is_list: bool,
    pub key_id: Option<String>,
    pub tier: Option<String>,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
}

/// A version to be written.
pub struct ParameterWrite<'a> {
    pub name: &'a str,
    pub text: &'a SecretString,
    pub settings: &'a ParameterSettings,
    pub may_replace: bool,
}
