//! Simulates GitHub's secrets: GitHub takes encrypted values, reports when they last changed and never returns them.

use crate::destinations::encryption::PublicKey;
use crate::destinations::kind::DestinationKind as _;
use crate::destinations::store::{StoreClient, StoreFuture, not_a_store};
use crate::policy::file::GithubSecret;
use crate::ports::{BackendError, ErrorKind, StoreDelivery};
use crate::rotation::{Fingerprint, ids};
use crate::secret::Credential;
use crate::simulator::SimBackend;

/// The name under which the simulation keeps the secrets.
fn simulated_name(secret: &GithubSecret) -> String {
    ids::destination_id(secret.kind_name(), &secret.destination_target()).to_string()
}

impl<'w> StoreClient<SimBackend<'w>> for GithubSecret {
    fn read_fingerprint<'a>(&'a self, backend: &'a SimBackend<'w>) -> StoreFuture<'a, Option<Fingerprint>> {
        Box::pin(async move {
            let name = simulated_name(self);
            backend.serve_read("store:marker", |body| Ok(body.store_fingerprint(&name))).await
        })
    }

    fn write<'a>(
        &'a self,
        backend: &'a SimBackend<'w>,
        delivery: &'a StoreDelivery<'a>,
    ) -> StoreFuture<'a, Fingerprint> {
        let (name, payloads) = (simulated_name(self), delivery.payloads.to_vec());
        Box::pin(backend.serve_write("store:deliver", move |body| Ok(body.store_payloads(&name, payloads))))
    }

    fn restore<'a>(&'a self, _: &'a SimBackend<'w>, _: Option<&'a str>) -> StoreFuture<'a, ()> {
        let why = "this store forgets what it held";
        Box::pin(async move { Err(BackendError::new(ErrorKind::Rejected, why)) })
    }

    fn get_public_key<'a>(&'a self, backend: &'a SimBackend<'w>) -> StoreFuture<'a, PublicKey> {
        Box::pin(async move {
            let key = backend.public_key();
            backend.serve_read("store:public-key", |_| Ok(key.clone())).await
        })
    }

    fn check_writable<'a>(&'a self, _: &'a SimBackend<'w>, _: Option<&'a str>) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(not_a_store()) })
    }

    fn dry_run_write<'a>(&'a self, _: &'a SimBackend<'w>) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(not_a_store()) })
    }

    fn stage<'a>(&'a self, _: &'a SimBackend<'w>, _: &'a Credential) -> StoreFuture<'a, Fingerprint> {
        Box::pin(async { Err(not_a_store()) })
    }
}
