//! Simulates the requests to Vault: versions that are numbered, and writes that name the one that they replace.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::delivery::{SecretVersion, VaultStore, VersionList, VersionWrite};
use super::policy::Vault;
use crate::destinations::kind::DestinationKind as _;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::ids;
use crate::secret::into_secret;
use crate::simulator::{SimBackend, SimState, VersionedSecret, no_such_secret};

/// The name under which the simulation keeps the secret.
fn simulated_name(vault: &Vault) -> String {
    ids::destination_id(vault.kind_name(), &vault.destination_target()).to_string()
}

/// The texts of the secret at a path, oldest first. The one beside it has one version at most.
fn texts_at<'s>(held: &'s VersionedSecret, vault: &Vault, path: &str) -> Vec<&'s str> {
    let pending = vault.pending_path();
    let versions = held.versions.iter().filter(|(name, _)| (**name == *pending) == (path == pending));
    versions.map(|(_, text)| &**text).collect()
}

fn find_newest(body: &SimState, vault: &Vault, path: &str) -> Option<SecretVersion> {
    let held = body.versioned_secret(&simulated_name(vault)).ok()?;
    let texts = texts_at(held, vault, path);
    let text = texts.last()?;
    Some(SecretVersion { number: texts.len() as u64, text: into_secret((*text).to_owned()) })
}

impl VaultStore for SimBackend<'_> {
    async fn read_newest(&self, vault: &Vault, path: &str) -> BackendResult<Option<SecretVersion>> {
        self.serve_read("vault:read", |body| Ok(find_newest(body, vault, path))).await
    }

    async fn read_version(&self, vault: &Vault, number: u64) -> BackendResult<Option<SecretVersion>> {
        self.serve_read("vault:read", |body| {
            let Ok(held) = body.versioned_secret(&simulated_name(vault)) else { return Ok(None) };
            let texts = texts_at(held, vault, &vault.path);
            let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let text = place.and_then(|place| texts.get(place));
            Ok(text.map(|text| SecretVersion { number, text: into_secret((*text).to_owned()) }))
        })
        .await
    }

    async fn list_versions(&self, vault: &Vault, path: &str) -> BackendResult<VersionList> {
        self.serve_read("vault:versions", |body| {
            let newest = find_newest(body, vault, path).map_or(0, |version| version.number);
            Ok(VersionList { newest, readable: (1..=newest).rev().collect() })
        })
        .await
    }

    async fn write_version(&self, vault: &Vault, write: &VersionWrite<'_>) -> BackendResult<()> {
        let (vault, path, replaces) = (vault.clone(), write.path.to_owned(), write.replaces);
        let text: SecretString = write.text.clone();
        self.serve_write("vault:write", move |body: &mut SimState| {
            let newest = find_newest(body, &vault, &path).map_or(0, |version| version.number);
            if newest != replaces {
                return Err(BackendError::new(ErrorKind::Conflict, "another version is the newest"));
            }
            let serial = body.next_serial();
            let pending = vault.pending_path();
            let held = body.versioned_secret_mut(&simulated_name(&vault))?;
            if path == pending {
                held.append_version(&pending, text.expose_secret());
            } else {
                held.append_version(&format!("version-{serial}"), text.expose_secret());
                held.make_newest_current();
            }
            Ok(())
        })
        .await
    }

    async fn destroy(&self, vault: &Vault, path: &str) -> BackendResult<()> {
        let (vault, path) = (vault.clone(), path.to_owned());
        self.serve_write("vault:destroy", move |body: &mut SimState| {
            let held = body.versioned_secret_mut(&simulated_name(&vault))?;
            // Only the secret beside it is ever removed, and one that is not there needs no removal.
            if path != vault.pending_path() {
                return Err(no_such_secret());
            }
            held.versions.retain(|(name, _)| **name != *path);
            Ok(())
        })
        .await
    }

    async fn read_capabilities(
        &self,
        _: &Vault,
        _: &[String],
    ) -> BackendResult<Option<BTreeMap<String, Vec<String>>>> {
        self.serve_read("vault:capabilities", |_| Ok(None)).await
    }
}
