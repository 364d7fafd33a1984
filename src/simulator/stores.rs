//! Simulates two stores: GitHub's secrets, which show only when they were last changed, and Secrets Manager, which keeps
//! versions and which other people write to as well.

use secrecy::{ExposeSecret as _, SecretString};

use super::backend::SimBackend;
use super::keyring::{CredentialPair, Keyring};
use super::state::{SimState, StoredSecret};
use super::versioned_secret::VersionedSecret;
use crate::destinations::encryption::SealedPayload;
use crate::destinations::secrets_manager::versions::{self, StagingLabels, VersionStore};
use crate::engine::observe::identify_destination;
use crate::policy::Destination;
use crate::policy::file::SecretsManager;
use crate::ports::{BackendError, BackendResult, ErrorKind, SecretStore, StagedSecretStore, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, into_secret};

impl SimState {
    pub fn store_fingerprint(&self, place: &str) -> Option<Fingerprint> {
        self.secrets.get(place).map(|secret| secret.marker.clone())
    }

    pub fn store_payloads(
        &mut self,
        place: &str,
        payloads: Vec<SealedPayload>,
    ) -> BackendResult<Fingerprint> {
        let at = jiff::Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let marker: Fingerprint = at.to_string().into();
        self.secrets.insert(place.to_owned(), StoredSecret { payloads, marker: marker.clone() });
        Ok(marker)
    }

    /// The credential that an application reads from a store.
    pub fn credential_in_store(&self, place: &str, keyring: &Keyring) -> Option<CredentialPair> {
        match self.vaults.get(place) {
            Some(vault) => vault.current_credential(),
            None => keyring.open_payloads(&self.secrets.get(place)?.payloads),
        }
    }

    /// The first credential, as a person put it into a store that keeps versions.
    pub fn fill_store(&mut self, place: &str, credential: &Credential) {
        let name = format!("by-hand-{}", self.next_serial());
        let pair: CredentialPair = (credential.access_key_id().into(), credential.expose_secret().into());
        self.vaults.entry(place.to_owned()).or_default().write_version(name, &pair, "");
    }

    /// Another writer changes its own field in every versioned secret, and keeps the credential as it has read it.
    pub fn edit_foreign_field(&mut self, foreign: &str) {
        let name = format!("by-hand-{}", self.next_serial());
        for vault in self.vaults.values_mut() {
            if let Some(pair) = vault.current_credential() {
                vault.write_version(name.clone(), &pair, foreign);
            }
        }
    }

    fn versioned_secret(&self, secret: &SecretsManager) -> BackendResult<&VersionedSecret> {
        self.vaults.get(&secret_destination_id(secret)).ok_or_else(no_such_secret)
    }

    fn vault_mut(&mut self, place: &str) -> BackendResult<&mut VersionedSecret> {
        self.vaults.get_mut(place).ok_or_else(no_such_secret)
    }
}

fn no_such_secret() -> BackendError {
    BackendError::new(ErrorKind::NotFound, "ResourceNotFoundException: there is no such secret")
}

fn secret_destination_id(secret: &SecretsManager) -> String {
    destination_name(&Destination::SecretsManager(secret.clone()))
}

fn destination_name(destination: &Destination) -> String {
    identify_destination(destination).map(|(place, _)| place.to_string()).unwrap_or_default()
}

impl VersionStore for SimBackend<'_> {
    async fn read_labels(&self, secret: &SecretsManager) -> BackendResult<Option<StagingLabels>> {
        self.serve_read("store:labels", |body| {
            Ok(body.vaults.get(&secret_destination_id(secret)).map(VersionedSecret::staging_labels))
        })
        .await
    }

    async fn list_version_ids(&self, secret: &SecretsManager) -> BackendResult<Vec<String>> {
        self.serve_read("store:names", |body| body.versioned_secret(secret).map(VersionedSecret::version_ids))
            .await
    }

    async fn read_version_value(
        &self,
        secret: &SecretsManager,
        version: &str,
    ) -> BackendResult<SecretString> {
        self.serve_read("store:value", |body| {
            let text = body.versioned_secret(secret)?.version_text(version).ok_or_else(no_such_secret)?;
            Ok(into_secret(text.to_string()))
        })
        .await
    }

    async fn put_version(
        &self,
        secret: &SecretsManager,
        version: &str,
        value: &SecretString,
    ) -> BackendResult<()> {
        let (place, version, value) = (secret_destination_id(secret), version.to_owned(), value.clone());
        self.serve_write("store:put", move |body| {
            body.vault_mut(&place)?.put_version(&version, value.expose_secret())
        })
        .await
    }

    async fn promote_version(&self, secret: &SecretsManager, version: &str, from: &str) -> BackendResult<()> {
        let (place, version, from) = (secret_destination_id(secret), version.to_owned(), from.to_owned());
        self.serve_write("store:promote", move |body| {
            body.vault_mut(&place)?.promote_version(&version, &from)
        })
        .await
    }
}

impl SecretStore for SimBackend<'_> {
    async fn read_fingerprint(&self, destination: &Destination) -> BackendResult<Option<Fingerprint>> {
        if let Destination::SecretsManager(secret) = destination {
            return versions::read_fingerprint(self, secret).await;
        }
        let place = destination_name(destination);
        self.serve_read("store:marker", |body| Ok(body.store_fingerprint(&place))).await
    }

    async fn write_secret(
        &self,
        destination: &Destination,
        parcel: &StoreDelivery<'_>,
    ) -> BackendResult<Fingerprint> {
        if let Destination::SecretsManager(secret) = destination {
            return versions::promote_credential(self, secret, parcel.version.unwrap_or_default()).await;
        }
        let (place, payloads) = (destination_name(destination), parcel.payloads.to_vec());
        self.serve_write("store:deliver", move |body| body.store_payloads(&place, payloads)).await
    }

    async fn restore_secret(&self, destination: &Destination, marker: Option<&str>) -> BackendResult<()> {
        versions::promote_credential(self, require_versioned(destination)?, marker.unwrap_or_default())
            .await
            .map(drop)
    }
}

impl StagedSecretStore for SimBackend<'_> {
    async fn check_writable(&self, destination: &Destination, old: Option<&str>) -> BackendResult<()> {
        versions::check_writable(self, require_versioned(destination)?, old).await
    }

    async fn dry_run_write(&self, destination: &Destination) -> BackendResult<()> {
        versions::dry_run_write(self, require_versioned(destination)?).await
    }

    async fn stage_secret(
        &self,
        destination: &Destination,
        credential: &Credential,
    ) -> BackendResult<Fingerprint> {
        versions::stage_credential(self, require_versioned(destination)?, credential).await
    }
}

fn require_versioned(destination: &Destination) -> BackendResult<&SecretsManager> {
    match destination {
        Destination::SecretsManager(secret) => Ok(secret),
        _ => Err(BackendError::new(ErrorKind::Rejected, "this store forgets what it held")),
    }
}
