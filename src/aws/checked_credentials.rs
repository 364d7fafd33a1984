//! Refuses credentials that no header of a request can hold: the SDK, which signs with them, would panic.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};

/// Wraps a provider. Every one that a client signs with goes through here: an environment, a program or a reply may hold
/// any text.
pub fn check_credentials(source: impl ProvideCredentials + 'static) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(CheckedCredentials(SharedCredentialsProvider::new(source)))
}

#[derive(Debug)]
struct CheckedCredentials(SharedCredentialsProvider);

impl ProvideCredentials for CheckedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { ensure_printable(self.0.provide_credentials().await?) })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the {0} has a blank, a line break or another character that none can have")]
struct UnusableCredentials(&'static str);

fn ensure_printable(loaded: Credentials) -> provider::Result {
    let parts = [
        ("access key ID", loaded.access_key_id()),
        ("secret access key", loaded.secret_access_key()),
        ("session token", loaded.session_token().unwrap_or_default()),
    ];
    let unusable = parts.into_iter().find(|(_, text)| !text.bytes().all(|byte| byte.is_ascii_graphic()));
    if let Some((what, _)) = unusable {
        return Err(CredentialsError::invalid_configuration(UnusableCredentials(what)));
    }
    Ok(loaded)
}
