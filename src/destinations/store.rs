//! Defines what a rotation does with a store, for each backend that reaches it: the real services, or the simulation.

use std::pin::Pin;

use super::encryption::PublicKey;
use crate::ports::{BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::Credential;

/// The pending reply of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = BackendResult<T>> + 'a>>;

/// A destination in a store, as the backend `B` reaches it. The contracts are those of [`crate::ports::SecretStore`],
/// [`crate::ports::StagedSecretStore`] and [`crate::ports::KeyProvider`].
pub trait StoreClient<B> {
    /// Identifies the credential that the store holds; `None` when it holds none.
    fn read_fingerprint<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, Option<Fingerprint>>;

    /// Makes sure that what was read as absent is absent. A kind whose reply to a missing permission is another one leaves
    /// this as it is.
    fn confirm_absence<'a>(&'a self, _: &'a B) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Makes the new credential the one that applications read.
    fn write<'a>(&'a self, backend: &'a B, delivery: &'a StoreDelivery<'a>) -> StoreFuture<'a, Fingerprint>;

    /// Makes the credential of this fingerprint the one that applications read again.
    fn restore<'a>(&'a self, backend: &'a B, fingerprint: Option<&'a str>) -> StoreFuture<'a, ()>;

    /// Reads the public key that a credential is encrypted with.
    fn get_public_key<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, PublicKey>;

    /// Checks that a credential could be written in the place of the old one.
    fn check_writable<'a>(&'a self, backend: &'a B, old: Option<&'a str>) -> StoreFuture<'a, ()>;

    /// Sends what [`StoreClient::stage`] sends, and changes nothing that applications read.
    fn dry_run_write<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, ()>;

    /// Stores the credential where applications do not read it yet.
    fn stage<'a>(&'a self, backend: &'a B, credential: &'a Credential) -> StoreFuture<'a, Fingerprint>;
}

/// The error of a request that this kind of store does not have.
pub fn not_a_store() -> BackendError {
    BackendError::new(ErrorKind::Rejected, "this destination is no store of this kind")
}
