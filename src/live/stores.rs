//! Writes credentials to the destinations that are stores, and provides the keys that encryption needs.

use super::LiveBackend;
use crate::destinations::encryption::{FreshKey, PublicKey};
use crate::destinations::store::{StoreClient, not_a_store};
use crate::policy::Destination;
use crate::ports::{BackendResult, KeyProvider, SecretStore, StagedSecretStore, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, DataKey};

fn store_of(destination: &Destination) -> BackendResult<&dyn StoreClient<LiveBackend>> {
    destination.store().ok_or_else(not_a_store)
}

impl SecretStore for LiveBackend {
    async fn read_fingerprint(&self, destination: &Destination) -> BackendResult<Option<Fingerprint>> {
        store_of(destination)?.read_fingerprint(self).await
    }

    async fn confirm_absence(&self, destination: &Destination) -> BackendResult<()> {
        store_of(destination)?.confirm_absence(self).await
    }

    async fn write_secret(
        &self,
        destination: &Destination,
        parcel: &StoreDelivery<'_>,
    ) -> BackendResult<Fingerprint> {
        store_of(destination)?.write(self, parcel).await
    }

    async fn restore_secret(&self, destination: &Destination, marker: Option<&str>) -> BackendResult<()> {
        store_of(destination)?.restore(self, marker).await
    }
}

impl StagedSecretStore for LiveBackend {
    async fn check_writable(&self, destination: &Destination, old: Option<&str>) -> BackendResult<()> {
        store_of(destination)?.check_writable(self, old).await
    }

    async fn dry_run_write(&self, destination: &Destination) -> BackendResult<()> {
        store_of(destination)?.dry_run_write(self).await
    }

    async fn stage_secret(
        &self,
        destination: &Destination,
        credential: &Credential,
    ) -> BackendResult<Fingerprint> {
        store_of(destination)?.stage(self, credential).await
    }
}

impl KeyProvider for LiveBackend {
    async fn get_public_key(&self, destination: &Destination) -> BackendResult<PublicKey> {
        store_of(destination)?.get_public_key(self).await
    }

    async fn unwrap_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<DataKey>> {
        self.unwrap_sops_key(path, file).await
    }

    async fn wrap_new_data_key(&self, path: &str, file: &[u8]) -> BackendResult<Option<FreshKey>> {
        self.wrap_sops_key(path, file).await
    }
}
