//! Simulates the requests to AWS Secrets Manager.

use secrecy::{ExposeSecret as _, SecretString};

use super::versions::{StagingLabels, VersionStore};
use crate::destinations::kind::DestinationKind as _;
use crate::policy::file::SecretsManager;
use crate::ports::BackendResult;
use crate::rotation::ids;
use crate::secret::into_secret;
use crate::simulator::{SimBackend, SimState, VersionedSecret, no_such_secret};

/// The name under which the simulation keeps the secret.
fn simulated_name(secret: &SecretsManager) -> String {
    ids::destination_id(secret.kind_name(), &secret.destination_target()).to_string()
}

fn labels_of(vault: &VersionedSecret) -> StagingLabels {
    StagingLabels {
        current: vault.current.as_deref().map(str::to_owned),
        pending: vault.pending.as_deref().map(str::to_owned),
        previous: vault.previous.as_deref().map(str::to_owned),
        rotates: false,
    }
}

impl VersionStore for SimBackend<'_> {
    async fn read_labels(&self, secret: &SecretsManager) -> BackendResult<Option<StagingLabels>> {
        let name = simulated_name(secret);
        self.serve_read("store:labels", |body| Ok(body.vaults.get(&name).map(labels_of))).await
    }

    async fn list_version_ids(&self, secret: &SecretsManager) -> BackendResult<Vec<String>> {
        let name = simulated_name(secret);
        self.serve_read("store:names", |body| {
            let versions = &body.versioned_secret(&name)?.versions;
            Ok(versions.iter().rev().map(|(version, _)| version.to_string()).collect())
        })
        .await
    }

    async fn read_version_value(
        &self,
        secret: &SecretsManager,
        version: &str,
    ) -> BackendResult<SecretString> {
        let name = simulated_name(secret);
        self.serve_read("store:value", |body| {
            let text = body.versioned_secret(&name)?.version_text(version);
            text.map(|text| into_secret(text.to_string())).ok_or_else(no_such_secret)
        })
        .await
    }

    async fn put_version(
        &self,
        secret: &SecretsManager,
        version: &str,
        value: &SecretString,
    ) -> BackendResult<()> {
        let (name, version, value) = (simulated_name(secret), version.to_owned(), value.clone());
        self.serve_write("store:put", move |body: &mut SimState| {
            body.versioned_secret_mut(&name)?.put_version(&version, value.expose_secret())
        })
        .await
    }

    async fn promote_version(&self, secret: &SecretsManager, version: &str, from: &str) -> BackendResult<()> {
        let (name, version, from) = (simulated_name(secret), version.to_owned(), from.to_owned());
        self.serve_write("store:promote", move |body: &mut SimState| {
            body.versioned_secret_mut(&name)?.promote_version(&version, &from)
        })
        .await
    }
}
