//! Leads the questions about a destination in Parameter Store to the steps for one parameter with JSON, or for two.

use super::policy::SsmParameter;
use super::requests::ParameterStore;
use super::{delivery, pair};
use crate::destinations::encryption::PublicKey;
use crate::destinations::store::{StoreClient, StoreFuture, not_a_store};
use crate::ports::{BackendResult, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::Credential;

impl<B: ParameterStore> StoreClient<B> for SsmParameter {
    fn read_fingerprint<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, Option<Fingerprint>> {
        Box::pin(async move {
            match self.json {
                Some(_) => delivery::read_fingerprint(backend, self).await,
                None => pair::read_fingerprint(backend, self).await,
            }
        })
    }

    fn write<'a>(&'a self, backend: &'a B, delivery: &'a StoreDelivery<'a>) -> StoreFuture<'a, Fingerprint> {
        Box::pin(write_credential(backend, self, delivery.version.unwrap_or_default()))
    }

    fn restore<'a>(&'a self, backend: &'a B, fingerprint: Option<&'a str>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            write_credential(backend, self, fingerprint.unwrap_or_default()).await?;
            Ok(())
        })
    }

    fn get_public_key<'a>(&'a self, _: &'a B) -> StoreFuture<'a, PublicKey> {
        Box::pin(async { Err(not_a_store()) })
    }

    fn check_writable<'a>(&'a self, backend: &'a B, old: Option<&'a str>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            match self.json {
                Some(_) => delivery::check_writable(backend, self, old).await,
                None => pair::check_writable(backend, self, old).await,
            }
        })
    }

    fn dry_run_write<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            match self.json {
                Some(_) => delivery::dry_run_write(backend, self).await,
                None => pair::dry_run_write(backend, self).await,
            }
        })
    }

    fn stage<'a>(&'a self, backend: &'a B, credential: &'a Credential) -> StoreFuture<'a, Fingerprint> {
        Box::pin(async move {
            let name = self.json.as_deref().unwrap_or(&self.secret_access_key);
            delivery::stage_credential(backend, self, name, credential).await
        })
    }
}

async fn write_credential(
    store: &impl ParameterStore,
    parameter: &SsmParameter,
    fingerprint: &str,
) -> BackendResult<Fingerprint> {
    match parameter.json {
        Some(_) => delivery::write_credential(store, parameter, fingerprint).await,
        None => pair::write_credential(store, parameter, fingerprint).await,
    }
}
