//! Delivers a credential to a secret by single requests: the same steps for Vault and for the simulation.
//!
//! Every write names the version that it replaces. If another writer was there in between, Vault refuses it: other fields
//! that have changed are then taken as the base, and another credential stays where it is.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::access::PathAccess;
use super::policy::Vault;
use crate::destinations::encryption::{PublicKey, SealError};
use crate::destinations::json_credential::{JsonCredential, JsonTextError, key_fingerprint};
use crate::destinations::permissions::DestinationAccess;
use crate::destinations::store::{StoreClient, StoreFuture, not_a_store};
use crate::ports::{BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::{Credential, into_secret};

/// How often it is tried to be faster than other writers.
const MAX_TRIES: usize = 5;
/// So many earlier versions are read at most, to find one.
const MAX_READ: usize = 20;
/// The longest text that every storage of Vault takes, in bytes.
const MAX_TEXT_BYTES: usize = 512 * 1024;
/// A version that no secret reaches: a write onto it is refused, after the permission was checked.
pub const NO_VERSION: u64 = 1_000_000_000;

/// The single requests.
#[expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]
pub trait VaultStore {
    /// The newest version of the secret at a path; `None`: there is none, or it was deleted.
    async fn read_newest(&self, vault: &Vault, path: &str) -> BackendResult<Option<SecretVersion>>;
    /// An earlier version of the destination's secret; `None`: it is gone.
    async fn read_version(&self, vault: &Vault, number: u64) -> BackendResult<Option<SecretVersion>>;
    /// The versions of the secret at a path; none at all when there is no such secret.
    async fn list_versions(&self, vault: &Vault, path: &str) -> BackendResult<VersionList>;
    /// Writes a version. [`ErrorKind::Conflict`] when the newest one is not the one that it names.
    async fn write_version(&self, vault: &Vault, write: &VersionWrite<'_>) -> BackendResult<()>;
    /// Removes a secret with all its versions. May be repeated.
    async fn destroy(&self, vault: &Vault, path: &str) -> BackendResult<()>;
    /// What the token may do with each path; `None` when it may not ask.
    async fn read_capabilities(
        &self,
        vault: &Vault,
        paths: &[String],
    ) -> BackendResult<Option<BTreeMap<String, Vec<String>>>>;
}

/// One version of a secret.
pub struct SecretVersion {
    pub number: u64,
    pub text: SecretString,
}

/// The versions of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionList {
    /// The number of the newest one, deleted or not; 0 when there is none.
    pub newest: u64,
    /// Those that can be read, newest first.
    pub readable: Vec<u64>,
}

/// A version to be written.
pub struct VersionWrite<'a> {
    pub path: &'a str,
    pub text: &'a SecretString,
    /// The version that it replaces; 0 when there may be none.
    pub replaces: u64,
}

impl<B: VaultStore> StoreClient<B> for Vault {
    fn read_fingerprint<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, Option<Fingerprint>> {
        Box::pin(read_fingerprint(backend, self))
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
        Box::pin(check_writable(backend, self, old))
    }

    fn dry_run_write<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, ()> {
        Box::pin(dry_run_write(backend, self))
    }

    fn stage<'a>(&'a self, backend: &'a B, credential: &'a Credential) -> StoreFuture<'a, Fingerprint> {
        Box::pin(stage_credential(backend, self, credential))
    }
}

/// Identifies the credential of the newest version. A change of other fields does not change it.
async fn read_fingerprint(store: &impl VaultStore, vault: &Vault) -> BackendResult<Option<Fingerprint>> {
    let Some(newest) = store.read_newest(vault, &vault.path).await? else { return Ok(None) };
    let held = vault.read_credential(&newest.text)?;
    Ok(Some(key_fingerprint(held.access_key_id()).into()))
}

/// Checks that a new credential could replace the old one, and that the token may do all that a rotation does.
async fn check_writable(store: &impl VaultStore, vault: &Vault, old: Option<&str>) -> BackendResult<()> {
    let newest = require_newest(store, vault).await?;
    vault.json_fields().check_text(newest.text.expose_secret(), old).map_err(|why| vault.refuse_text(why))?;
    let needed = vault.needed_access(DestinationAccess::Rotate);
    let paths: Vec<String> = needed.iter().map(|access| access.path.clone()).collect();
    // A token that may not ask shows by the requests themselves what it may do.
    let Some(given) = store.read_capabilities(vault, &paths).await? else { return Ok(()) };
    for PathAccess { path, capabilities } in &needed {
        let given = given.get(path).map(Vec::as_slice).unwrap_or_default();
        let is_root = given.iter().any(|name| name == "root");
        let missing = capabilities.iter().find(|name| !given.iter().any(|one| one == *name));
        if let Some(missing) = missing.filter(|_| !is_root) {
            let help = "`keytide iam-policy --for rotate` prints the policy that it needs";
            return Err(vault.refuse(&format!("the token lacks `{missing}` for `{path}`"), help));
        }
    }
    Ok(())
}

/// Proves the writes before a key is created. The secret beside it gets an empty object; the write of the secret itself
/// names a version that does not exist and is refused.
async fn dry_run_write(store: &impl VaultStore, vault: &Vault) -> BackendResult<()> {
    let newest = require_newest(store, vault).await?;
    let write = VersionWrite { path: &vault.path, text: &newest.text, replaces: NO_VERSION };
    // The conflict is the expected answer: Vault checks permissions before it compares versions.
    match store.write_version(vault, &write).await {
        Ok(()) | Err(BackendError { kind: ErrorKind::Conflict, .. }) => {}
        Err(failure) => return Err(failure),
    }
    // A rollback looks for the former credential there.
    store.list_versions(vault, &vault.path).await?;
    put_pending(store, vault, &into_secret("{}".to_owned())).await
}

/// Puts the new credential into the secret beside it.
async fn stage_credential(
    store: &impl VaultStore,
    vault: &Vault,
    credential: &Credential,
) -> BackendResult<Fingerprint> {
    // Only the credential: the other fields would be old by the time of the merge.
    let text = vault.json_fields().write_alone(credential);
    put_pending(store, vault, &text.map_err(|why| vault.refuse_text(why))?).await?;
    Ok(key_fingerprint(credential.access_key_id()).into())
}

async fn put_pending(store: &impl VaultStore, vault: &Vault, text: &SecretString) -> BackendResult<()> {
    let path = vault.pending_path();
    // Also of a deleted secret: its next version follows the deleted one.
    let newest = store.list_versions(vault, &path).await?.newest;
    let write = VersionWrite { path: &path, text, replaces: newest };
    store.write_version(vault, &write).await.map_err(|failure| match failure.kind {
        ErrorKind::Conflict => BackendError { kind: ErrorKind::NotApplied, ..failure },
        _ => failure,
    })
}

/// Makes a credential the newest, of the secret beside it or of an earlier version. Every other field stays as it is in
/// the newest version.
async fn write_credential(
    store: &impl VaultStore,
    vault: &Vault,
    fingerprint: &str,
) -> BackendResult<Fingerprint> {
    write_onto_newest(store, vault, fingerprint).await?;
    // Only now: until the secret itself holds the credential, the one beside it has its only copy.
    remove_pending(store, vault, fingerprint).await?;
    Ok(fingerprint.into())
}

async fn write_onto_newest(store: &impl VaultStore, vault: &Vault, fingerprint: &str) -> BackendResult<()> {
    let mut replaced_key: Option<String> = None;
    for _ in 0..MAX_TRIES {
        let newest = require_newest(store, vault).await?;
        let held = vault.read_credential(&newest.text)?;
        // After a lost reply the write has already happened, and the loop ends here.
        if key_fingerprint(held.access_key_id()) == fingerprint {
            return Ok(());
        }
        if replaced_key.as_deref().is_some_and(|key| key != held.access_key_id()) {
            let help = "see who wrote it, then run keytide again";
            return Err(vault.refuse("another writer put another access key there meanwhile", help));
        }
        let wanted = find_credential(store, vault, fingerprint).await?;
        let merged = vault.json_fields().merge_credential(newest.text.expose_secret(), &wanted);
        let text = merged.map_err(|why| vault.refuse_text(why))?;
        let write = VersionWrite { path: &vault.path, text: &text, replaces: newest.number };
        match store.write_version(vault, &write).await {
            Err(BackendError { kind: ErrorKind::Conflict, .. }) => {
                replaced_key = Some(held.access_key_id().to_owned());
            }
            other => return other,
        }
    }
    let what = format!("`vault {}`: others write it faster than keytide", vault.destination_target());
    Err(BackendError::new(ErrorKind::NotApplied, what))
}

/// Removes the secret beside it once its credential is the newest. If that is not permitted, it stays until the next
/// rotation replaces it.
async fn remove_pending(store: &impl VaultStore, vault: &Vault, fingerprint: &str) -> BackendResult<()> {
    let path = vault.pending_path();
    let Some(pending) = store.read_newest(vault, &path).await? else { return Ok(()) };
    // A rollback brings an old credential back; the secret beside it then belongs to the new one.
    if !vault.holds(&pending.text, fingerprint) {
        return Ok(());
    }
    match store.destroy(vault, &path).await {
        Ok(()) | Err(BackendError { kind: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn find_credential(
    store: &impl VaultStore,
    vault: &Vault,
    fingerprint: &str,
) -> BackendResult<Credential> {
    if let Some(pending) = store.read_newest(vault, &vault.pending_path()).await?
        && vault.holds(&pending.text, fingerprint)
    {
        return vault.read_credential(&pending.text);
    }
    for number in store.list_versions(vault, &vault.path).await?.readable.into_iter().take(MAX_READ) {
        // The store may have removed the version since it was listed.
        let Some(version) = store.read_version(vault, number).await? else { continue };
        if vault.holds(&version.text, fingerprint) {
            return vault.read_credential(&version.text);
        }
    }
    let help = "write the credential there by hand, or go on without it with `keytide resume`";
    Err(vault.refuse("none of its versions holds the key any more", help))
}

async fn require_newest(store: &impl VaultStore, vault: &Vault) -> BackendResult<SecretVersion> {
    store.read_newest(vault, &vault.path).await?.ok_or_else(|| {
        let help = "write it with the fields, or correct `mount`, `path` and `namespace`";
        vault.refuse("there is no such secret, or its newest version is deleted", help)
    })
}

impl Vault {
    fn json_fields(&self) -> JsonCredential<'_> {
        JsonCredential {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            ses_smtp_password: self.ses_smtp_password.as_ref(),
            max_bytes: MAX_TEXT_BYTES,
            container: "secret",
        }
    }

    fn read_credential(&self, text: &SecretString) -> BackendResult<Credential> {
        self.json_fields().read_credential(text.expose_secret()).map_err(|why| self.refuse_text(why))
    }

    /// Whether a text holds the credential of a fingerprint. A text without a credential does not.
    fn holds(&self, text: &SecretString, fingerprint: &str) -> bool {
        self.read_credential(text).is_ok_and(|held| key_fingerprint(held.access_key_id()) == fingerprint)
    }

    fn refuse_text(&self, why: JsonTextError) -> BackendError {
        self.refuse(&why.message, &why.help)
    }

    /// A refusal that says which secret it is about.
    pub fn refuse(&self, what: &str, help: &str) -> BackendError {
        let what = format!("`vault {}`: {what}", self.destination_target());
        BackendError::new(ErrorKind::Rejected, SealError::outside_files(what, help).to_string())
    }
}
