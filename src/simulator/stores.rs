//! Two stores: one takes sealed secrets, tells when they were last changed and gives nothing back; one keeps versions, in
//! which other people write too.

use std::rc::Rc;

use secrecy::{ExposeSecret as _, SecretString};

use super::SimBackend;
use super::keyring::{CredentialPair, Keyring};
use super::state::{SimState, StoredSecret};
use crate::destinations::encryption::SealedPayload;
use crate::destinations::secrets_manager::versions::{self, StagingLabels, VersionStore};
use crate::engine::observe::identify_destination;
use crate::policy::Destination;
use crate::policy::file::SecretsManager;
use crate::ports::{BackendError, BackendResult, ErrorKind, SecretStore, StagedSecretStore, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, into_secret};

/// The fields of a versioned secret: the credential's, and one of somebody else's.
pub const FIELDS: [&str; 2] = ["key_id", "secret"];
const OTHERS: &str = "others";

/// A secret of the store that keeps versions.
#[derive(Clone, Default)]
pub struct VersionedSecret {
    /// Each with its name, oldest first.
    versions: Vec<(Rc<str>, Rc<str>)>,
    current: Option<Rc<str>>,
    pending: Option<Rc<str>>,
    previous: Option<Rc<str>>,
}

impl VersionedSecret {
    fn version_text(&self, version: &str) -> Option<&Rc<str>> {
        self.versions.iter().find(|(name, _)| **name == *version).map(|(_, text)| text)
    }

    /// A field of the current version.
    fn current_field(&self, name: &str) -> Option<Rc<str>> {
        let text = self.version_text(self.current.as_deref()?)?;
        let fields: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(fields[name].as_str()?.into())
    }

    fn current_credential(&self) -> Option<CredentialPair> {
        Some((self.current_field(FIELDS[0])?, self.current_field(FIELDS[1])?))
    }

    /// What somebody else keeps beside the credential.
    pub fn foreign_field(&self) -> Option<Rc<str>> {
        self.current_field(OTHERS)
    }

    /// Writes all fields, as people do it: the new version is current at once.
    fn write_version(&mut self, name: String, (id, secret): &CredentialPair, others: &str) {
        let [id_field, secret_field] = FIELDS;
        let text = format!(
            "{{\"{OTHERS}\": \"{others}\", \"{id_field}\": \"{id}\", \"{secret_field}\": \"{secret}\"}}"
        );
        let name: Rc<str> = name.into();
        self.versions.push((name.clone(), text.into()));
        self.previous = self.current.replace(name);
    }

    fn put_version(&mut self, version: &str, text: &str) -> BackendResult<()> {
        match self.version_text(version) {
            Some(known) if **known == *text => Ok(()),
            Some(_) => Err(rejected("ResourceExistsException: a version is never changed")),
            None => {
                self.versions.push((version.into(), text.into()));
                self.pending = Some(version.into());
                Ok(())
            }
        }
    }

    fn promote_version(&mut self, version: &str, from: &str) -> BackendResult<()> {
        if self.current.as_deref() != Some(from) {
            return Err(BackendError::new(ErrorKind::Conflict, "another version is current"));
        }
        if self.version_text(version).is_none() {
            return Err(rejected("there is no such version"));
        }
        self.previous = self.current.replace(version.into());
        Ok(())
    }
}

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

    /// What a store's secret says to those who read it.
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

    /// Somebody changes what is his, and leaves the credential as he has read it.
    pub fn edit_foreign_field(&mut self, others: &str) {
        let name = format!("by-hand-{}", self.next_serial());
        for vault in self.vaults.values_mut() {
            if let Some(pair) = vault.current_credential() {
                vault.write_version(name.clone(), &pair, others);
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

fn rejected(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Rejected, what)
}

fn secret_destination_id(secret: &SecretsManager) -> String {
    destination_name(&Destination::SecretsManager(secret.clone()))
}

fn destination_name(destination: &Destination) -> String {
    identify_destination(destination).map(|(place, _)| place.to_string()).unwrap_or_default()
}

impl VersionStore for SimBackend<'_> {
    async fn read_labels(&self, secret: &SecretsManager) -> BackendResult<Option<StagingLabels>> {
        let named = |name: &Option<Rc<str>>| name.as_deref().map(str::to_owned);
        let labels = |vault: &VersionedSecret| StagingLabels {
            current: named(&vault.current),
            pending: named(&vault.pending),
            previous: named(&vault.previous),
            rotates: false,
        };
        self.serve_read("store:labels", |body| {
            Ok(body.vaults.get(&secret_destination_id(secret)).map(labels))
        })
        .await
    }

    async fn list_version_ids(&self, secret: &SecretsManager) -> BackendResult<Vec<String>> {
        let names =
            |vault: &VersionedSecret| vault.versions.iter().rev().map(|(name, _)| name.to_string()).collect();
        self.serve_read("store:names", |body| body.versioned_secret(secret).map(names)).await
    }

    async fn read_version_value(
        &self,
        secret: &SecretsManager,
        version: &str,
    ) -> BackendResult<SecretString> {
        let value =
            |vault: &VersionedSecret| vault.version_text(version).map(|text| into_secret(text.to_string()));
        self.serve_read("store:value", |body| {
            value(body.versioned_secret(secret)?).ok_or_else(no_such_secret)
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
        let effect =
            move |body: &mut SimState| body.vault_mut(&place)?.put_version(&version, value.expose_secret());
        self.serve_write("store:put", effect).await
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
        _ => Err(rejected("this store forgets what it held")),
    }
}
