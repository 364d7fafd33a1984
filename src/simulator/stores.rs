//! Simulates the stores: one takes encrypted secrets and returns only when they last changed; one keeps versions, in which
//! others write too. Each kind of destination has its own requests in its folder.

use super::backend::SimBackend;
use super::keyring::{CredentialPair, Keyring};
use super::state::{SimState, StoredSecret};
use super::versioned_secret::{SMTP_FIELD, VersionedSecret};
use crate::destinations::encryption::{PublicKey, SealedPayload};
use crate::destinations::store::{StoreClient, not_a_store};
use crate::policy::Destination;
use crate::ports::{BackendError, BackendResult, ErrorKind, SecretStore, StagedSecretStore, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::Credential;

/// What people write where there is no credential yet.
pub const PLACEHOLDER: &str = "CHANGE-ME";

impl SimState {
    pub fn store_fingerprint(&self, place: &str) -> Option<Fingerprint> {
        self.secrets.get(place).map(|secret| secret.marker.clone())
    }

    pub fn store_payloads(&mut self, place: &str, payloads: Vec<SealedPayload>) -> Fingerprint {
        let at = jiff::Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let marker: Fingerprint = at.to_string().into();
        self.secrets.insert(place.to_owned(), StoredSecret { payloads, marker: marker.clone() });
        marker
    }

    /// The credential that a store gives to those who may read it.
    pub fn credential_in_store(&self, place: &str, keyring: &Keyring) -> Option<CredentialPair> {
        match self.vaults.get(place) {
            // A placeholder is no credential
            Some(vault) => vault.current_credential().filter(|(id, _)| **id != *PLACEHOLDER),
            None => keyring.open_payloads(&self.secrets.get(place)?.payloads),
        }
    }

    /// Writes the first credential, as a person does, into a store that keeps versions.
    pub fn fill_store(&mut self, place: &str, credential: &Credential) {
        let name = format!("by-hand-{}", self.next_serial());
        let pair: CredentialPair = (credential.access_key_id().into(), credential.expose_secret().into());
        let secret = self.vaults.entry(place.to_owned()).or_default();
        secret.write_version(name.clone(), &pair, "");
        if let Some(password) = credential.expose_values().get(2) {
            secret.replace_field(&format!("{name}-smtp"), SMTP_FIELD, password);
            secret.make_newest_current();
        }
    }

    /// Changes the field of others, and leaves the credential as it was read.
    pub fn edit_foreign_field(&mut self, others: &str) {
        let name = format!("by-hand-{}", self.next_serial());
        for vault in self.vaults.values_mut() {
            if vault.current_credential().is_some() {
                vault.edit_foreign_field(&name, others);
            }
        }
    }

    /// Puts back the former secret access key, and leaves the access key ID as it is.
    pub fn revert_secrets(&mut self) {
        let name = format!("by-hand-{}", self.next_serial());
        for vault in self.vaults.values_mut() {
            vault.revert_secret(&name);
        }
    }

    pub fn versioned_secret(&self, place: &str) -> BackendResult<&VersionedSecret> {
        self.vaults.get(place).ok_or_else(no_such_secret)
    }

    pub fn versioned_secret_mut(&mut self, place: &str) -> BackendResult<&mut VersionedSecret> {
        self.vaults.get_mut(place).ok_or_else(no_such_secret)
    }
}

pub fn no_such_secret() -> BackendError {
    BackendError::new(ErrorKind::NotFound, "ResourceNotFoundException: there is no such secret")
}

impl<'w> SimBackend<'w> {
    fn store_of<'d>(&self, destination: &'d Destination) -> BackendResult<&'d dyn StoreClient<Self>> {
        destination.store().ok_or_else(not_a_store)
    }

    /// The public key of the simulated GitHub.
    pub fn public_key(&self) -> PublicKey {
        self.world.with_state(|state| state.keyring.public_key())
    }
}

impl SecretStore for SimBackend<'_> {
    async fn read_fingerprint(&self, destination: &Destination) -> BackendResult<Option<Fingerprint>> {
        self.store_of(destination)?.read_fingerprint(self).await
    }

    async fn confirm_absence(&self, destination: &Destination) -> BackendResult<()> {
        self.store_of(destination)?.confirm_absence(self).await
    }

    async fn write_secret(
        &self,
        destination: &Destination,
        parcel: &StoreDelivery<'_>,
    ) -> BackendResult<Fingerprint> {
        self.store_of(destination)?.write(self, parcel).await
    }

    async fn restore_secret(&self, destination: &Destination, marker: Option<&str>) -> BackendResult<()> {
        self.store_of(destination)?.restore(self, marker).await
    }
}

impl StagedSecretStore for SimBackend<'_> {
    async fn check_writable(&self, destination: &Destination, old: Option<&str>) -> BackendResult<()> {
        self.store_of(destination)?.check_writable(self, old).await
    }

    async fn dry_run_write(&self, destination: &Destination) -> BackendResult<()> {
        self.store_of(destination)?.dry_run_write(self).await
    }

    async fn stage_secret(
        &self,
        destination: &Destination,
        credential: &Credential,
    ) -> BackendResult<Fingerprint> {
        self.store_of(destination)?.stage(self, credential).await
    }
}
