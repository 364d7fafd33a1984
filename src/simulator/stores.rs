//! Two stores: one takes sealed secrets, tells when they were last changed and gives nothing back; one keeps versions, in
//! which other people write too.

use std::rc::Rc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Door;
use super::keyring::{Keyring, Pair};
use super::state::{Body, Secret};
use crate::destinations::encryption::Payload;
use crate::destinations::secrets_manager::versions::{self, Labels, Versions};
use crate::engine::observe::place_of;
use crate::policy::Destination;
use crate::policy::file::SecretsManager;
use crate::ports::{Answer, Failure, Outcome, Parcel, Pending, Stores};
use crate::rotation::Marker;
use crate::secret::{Credential, into_secret};

/// The fields of a versioned secret: the credential's, and one of somebody else's.
pub const FIELDS: [&str; 2] = ["key_id", "secret"];
const OTHERS: &str = "others";

/// A secret of the store that keeps versions.
#[derive(Clone, Default)]
pub struct Vault {
    /// Each with its name, oldest first.
    versions: Vec<(Rc<str>, Rc<str>)>,
    current: Option<Rc<str>>,
    pending: Option<Rc<str>>,
    previous: Option<Rc<str>>,
}

impl Vault {
    fn text(&self, version: &str) -> Option<&Rc<str>> {
        self.versions.iter().find(|(name, _)| **name == *version).map(|(_, text)| text)
    }

    /// A field of the current version.
    fn field(&self, name: &str) -> Option<Rc<str>> {
        let text = self.text(self.current.as_deref()?)?;
        let fields: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(fields[name].as_str()?.into())
    }

    fn credential(&self) -> Option<Pair> {
        Some((self.field(FIELDS[0])?, self.field(FIELDS[1])?))
    }

    /// What somebody else keeps beside the credential.
    pub fn others(&self) -> Option<Rc<str>> {
        self.field(OTHERS)
    }

    /// Writes all fields, as people do it: the new version is current at once.
    fn write(&mut self, name: String, (id, secret): &Pair, others: &str) {
        let [id_field, secret_field] = FIELDS;
        let text = format!(
            "{{\"{OTHERS}\": \"{others}\", \"{id_field}\": \"{id}\", \"{secret_field}\": \"{secret}\"}}"
        );
        let name: Rc<str> = name.into();
        self.versions.push((name.clone(), text.into()));
        self.previous = self.current.replace(name);
    }

    fn put(&mut self, version: &str, text: &str) -> Answer<()> {
        match self.text(version) {
            Some(known) if **known == *text => Ok(()),
            Some(_) => Err(refused("ResourceExistsException: a version is never changed")),
            None => {
                self.versions.push((version.into(), text.into()));
                self.pending = Some(version.into());
                Ok(())
            }
        }
    }

    fn promote(&mut self, version: &str, from: &str) -> Answer<()> {
        if self.current.as_deref() != Some(from) {
            return Err(Failure::new(Outcome::Conflict, "another version is current"));
        }
        if self.text(version).is_none() {
            return Err(refused("there is no such version"));
        }
        self.previous = self.current.replace(version.into());
        Ok(())
    }
}

impl Body {
    pub fn marker(&self, place: &str) -> Option<Marker> {
        self.secrets.get(place).map(|secret| secret.marker.clone())
    }

    pub fn deliver(&mut self, place: &str, payloads: Vec<Payload>) -> Answer<Marker> {
        let at = jiff::Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let marker: Marker = at.to_string().into();
        self.secrets.insert(place.to_owned(), Secret { payloads, marker: marker.clone() });
        Ok(marker)
    }

    /// What a store's secret says to those who read it.
    pub fn in_store(&self, place: &str, keyring: &Keyring) -> Option<Pair> {
        match self.vaults.get(place) {
            Some(vault) => vault.credential(),
            None => keyring.store(&self.secrets.get(place)?.payloads),
        }
    }

    /// The first credential, as a person put it into a store that keeps versions.
    pub fn fill(&mut self, place: &str, credential: &Credential) {
        let name = format!("by-hand-{}", self.serial());
        let pair: Pair = (credential.access_key_id().into(), credential.expose_secret().into());
        self.vaults.entry(place.to_owned()).or_default().write(name, &pair, "");
    }

    /// Somebody changes what is his, and leaves the credential as he has read it.
    pub fn write_beside(&mut self, others: &str) {
        let name = format!("by-hand-{}", self.serial());
        for vault in self.vaults.values_mut() {
            if let Some(pair) = vault.credential() {
                vault.write(name.clone(), &pair, others);
            }
        }
    }

    fn vault(&self, secret: &SecretsManager) -> Answer<&Vault> {
        self.vaults.get(&place(secret)).ok_or_else(missing)
    }

    fn vault_mut(&mut self, place: &str) -> Answer<&mut Vault> {
        self.vaults.get_mut(place).ok_or_else(missing)
    }
}

fn missing() -> Failure {
    Failure::new(Outcome::Missing, "ResourceNotFoundException: there is no such secret")
}

fn refused(what: &str) -> Failure {
    Failure::new(Outcome::Refused, what)
}

fn place(secret: &SecretsManager) -> String {
    name_of(&Destination::SecretsManager(secret.clone()))
}

fn name_of(destination: &Destination) -> String {
    place_of(destination).map(|(place, _)| place.to_string()).unwrap_or_default()
}

impl Versions for Door<'_> {
    async fn labels(&self, secret: &SecretsManager) -> Answer<Option<Labels>> {
        let named = |name: &Option<Rc<str>>| name.as_deref().map(str::to_owned);
        let labels = |vault: &Vault| Labels {
            current: named(&vault.current),
            pending: named(&vault.pending),
            previous: named(&vault.previous),
            rotates: false,
        };
        self.read("store:labels", |body| Ok(body.vaults.get(&place(secret)).map(labels))).await
    }

    async fn names(&self, secret: &SecretsManager) -> Answer<Vec<String>> {
        let names = |vault: &Vault| vault.versions.iter().rev().map(|(name, _)| name.to_string()).collect();
        self.read("store:names", |body| body.vault(secret).map(names)).await
    }

    async fn value(&self, secret: &SecretsManager, version: &str) -> Answer<SecretString> {
        let value = |vault: &Vault| vault.text(version).map(|text| into_secret(text.to_string()));
        self.read("store:value", |body| value(body.vault(secret)?).ok_or_else(missing)).await
    }

    async fn put(&self, secret: &SecretsManager, version: &str, value: &SecretString) -> Answer<()> {
        let (place, version, value) = (place(secret), version.to_owned(), value.clone());
        let effect = move |body: &mut Body| body.vault_mut(&place)?.put(&version, value.expose_secret());
        self.write("store:put", effect).await
    }

    async fn promote(&self, secret: &SecretsManager, version: &str, from: &str) -> Answer<()> {
        let (place, version, from) = (place(secret), version.to_owned(), from.to_owned());
        self.write("store:promote", move |body| body.vault_mut(&place)?.promote(&version, &from)).await
    }
}

impl Stores for Door<'_> {
    async fn marker(&self, destination: &Destination) -> Answer<Option<Marker>> {
        if let Destination::SecretsManager(secret) = destination {
            return versions::marker(self, secret).await;
        }
        let place = name_of(destination);
        self.read("store:marker", |body| Ok(body.marker(&place))).await
    }

    async fn deliver(&self, destination: &Destination, parcel: &Parcel<'_>) -> Answer<Marker> {
        if let Destination::SecretsManager(secret) = destination {
            return versions::bring(self, secret, parcel.version.unwrap_or_default()).await;
        }
        let (place, payloads) = (name_of(destination), parcel.payloads.to_vec());
        self.write("store:deliver", move |body| body.deliver(&place, payloads)).await
    }

    async fn back(&self, destination: &Destination, marker: Option<&str>) -> Answer<()> {
        versions::bring(self, versioned(destination)?, marker.unwrap_or_default()).await.map(drop)
    }
}

impl Pending for Door<'_> {
    async fn fits(&self, destination: &Destination, old: Option<&str>) -> Answer<()> {
        versions::fits(self, versioned(destination)?, old).await
    }

    async fn rehearse(&self, destination: &Destination) -> Answer<()> {
        versions::rehearse(self, versioned(destination)?).await
    }

    async fn pend(&self, destination: &Destination, credential: &Credential) -> Answer<Marker> {
        versions::pend(self, versioned(destination)?, credential).await
    }
}

fn versioned(destination: &Destination) -> Answer<&SecretsManager> {
    match destination {
        Destination::SecretsManager(secret) => Ok(secret),
        _ => Err(refused("this store forgets what it held")),
    }
}
