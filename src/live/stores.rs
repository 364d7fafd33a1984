//! Writes credentials to the destinations that are stores, and provides the keys that encryption needs.

use super::LiveBackend;
use crate::destinations::secrets_manager::versions;
pub(crate) use crate::destinations::{
    encryption::{FreshKey, PublicKey},
    sops::encrypt,
};
use crate::policy::Destination;
use crate::policy::file::{GithubSecret, SecretsManager};
use crate::ports::{
    BackendError, BackendResult, ErrorKind, KeyProvider, SecretStore, StagedSecretStore, StoreDelivery,
};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, DataKey};

impl SecretStore for LiveBackend {
    async fn read_fingerprint(&self, destination: &Destination) -> BackendResult<Option<Fingerprint>> {
        match destination {
            Destination::GithubSecret(secret) => self.github_marker(secret).await,
            Destination::SecretsManager(secret) => versions::read_fingerprint(self, secret).await,
            _ => Err(not_a_store()),
        }
    }

    async fn write_secret(
        &self,
        destination: &Destination,
        parcel: &StoreDelivery<'_>,
    ) -> BackendResult<Fingerprint> {
        match destination {
            Destination::GithubSecret(secret) => self.github_deliver(secret, parcel.payloads).await,
            Destination::SecretsManager(secret) => {
                versions::promote_credential(self, secret, parcel.version.unwrap_or_default()).await
            }
            _ => Err(not_a_store()),
        }
    }

    async fn restore_secret(&self, destination: &Destination, marker: Option<&str>) -> BackendResult<()> {
        match destination {
            Destination::SecretsManager(secret) => {
                versions::promote_credential(self, secret, marker.unwrap_or_default()).await.map(drop)
            }
            Destination::GithubSecret(_) => Err(BackendError::new(
                ErrorKind::Rejected,
                "GitHub does not give a secret's former value back",
            )),
            _ => Err(not_a_store()),
        }
    }
}

impl StagedSecretStore for LiveBackend {
    async fn check_writable(&self, destination: &Destination, old: Option<&str>) -> BackendResult<()> {
        versions::check_writable(self, versioned_secret(destination)?, old).await
    }

    async fn dry_run_write(&self, destination: &Destination) -> BackendResult<()> {
        versions::dry_run_write(self, versioned_secret(destination)?).await
    }

    async fn stage_secret(
        &self,
        destination: &Destination,
        credential: &Credential,
    ) -> BackendResult<Fingerprint> {
        versions::stage_credential(self, versioned_secret(destination)?, credential).await
    }
}

fn versioned_secret(destination: &Destination) -> BackendResult<&SecretsManager> {
    match destination {
        Destination::SecretsManager(secret) => Ok(secret),
        _ => Err(not_a_store()),
    }
}

fn not_a_store() -> BackendError {
    BackendError::new(ErrorKind::Rejected, "this destination is no store of this kind")
}

impl KeyProvider for LiveBackend {
    async fn get_public_key(&self, secret: &GithubSecret) -> BackendResult<PublicKey> {
        self.github_key(secret).await
    }

    async fn unwrap_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<DataKey>> {
        let identities = self.identities.as_ref();
        // An identity that cannot decrypt this file is no error: KMS may, and encryption reports a missing data key.
        match identities.and_then(|identities| encrypt::unwrap_data_key(path, file, identities).ok()) {
            Some(key) => Ok(Some(key)),
            None => self.kms_unwrap(path, file).await,
        }
    }

    async fn wrap_new_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<FreshKey>> {
        self.kms_wrap(path, file).await
    }
}
