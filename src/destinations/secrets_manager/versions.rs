//! Delivers a credential to a secret by single requests: the same steps for AWS Secrets Manager and for the simulation.
//!
//! The label AWSCURRENT moves by a compare-and-swap. If others have written since the read, it fails, and the credential is
//! merged onto their version. A version never changes, and the name of keytide's own says which credential it holds: after
//! a crash, the next run finds it and continues.

use secrecy::{ExposeSecret as _, SecretString};

use super::text::is_own;
use crate::destinations::encryption::{PublicKey, SealError};
use crate::destinations::json_credential::key_fingerprint as marker_for;
use crate::destinations::store::{StoreClient, StoreFuture, not_a_store};
use crate::policy::file::SecretsManager;
use crate::ports::{BackendError, BackendResult, ErrorKind, StoreDelivery};
use crate::rotation::Fingerprint;
use crate::secret::Credential;

/// How often it is tried to be faster than other writers.
const MAX_TRIES: usize = 5;
/// So many of other people's versions are read at most, to find one.
const MAX_READ: usize = 20;

/// The single requests.
#[expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]
pub trait VersionStore {
    /// `None`: there is no such secret.
    async fn read_labels(&self, secret: &SecretsManager) -> BackendResult<Option<StagingLabels>>;
    /// The names of all versions that may still be read, those without a label included.
    async fn list_version_ids(&self, secret: &SecretsManager) -> BackendResult<Vec<String>>;
    /// What a version holds. It is other people's too.
    async fn read_version_value(&self, secret: &SecretsManager, version: &str)
    -> BackendResult<SecretString>;
    /// Adds a version that applications do not read yet. May be repeated.
    async fn put_version(
        &self,
        secret: &SecretsManager,
        version: &str,
        value: &SecretString,
    ) -> BackendResult<()>;
    /// Makes a version the current one in the place of `from`: [`ErrorKind::Conflict`] when that is not it. May be
    /// repeated.
    async fn promote_version(&self, secret: &SecretsManager, version: &str, from: &str) -> BackendResult<()>;
}

/// Which versions are labelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagingLabels {
    pub current: Option<String>,
    pub pending: Option<String>,
    pub previous: Option<String>,
    /// Whether the store itself rotates the secret.
    pub rotates: bool,
}

/// A version and what it holds.
struct SecretVersion {
    version: String,
    text: SecretString,
    credential: Credential,
}

impl<B: VersionStore> StoreClient<B> for SecretsManager {
    fn read_fingerprint<'a>(&'a self, backend: &'a B) -> StoreFuture<'a, Option<Fingerprint>> {
        Box::pin(read_fingerprint(backend, self))
    }

    fn write<'a>(&'a self, backend: &'a B, delivery: &'a StoreDelivery<'a>) -> StoreFuture<'a, Fingerprint> {
        Box::pin(promote_credential(backend, self, delivery.version.unwrap_or_default()))
    }

    fn restore<'a>(&'a self, backend: &'a B, fingerprint: Option<&'a str>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            promote_credential(backend, self, fingerprint.unwrap_or_default()).await?;
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

/// The fingerprint of the current credential. Writes of others to other fields do not change it.
pub async fn read_fingerprint(
    store: &impl VersionStore,
    secret: &SecretsManager,
) -> BackendResult<Option<Fingerprint>> {
    let Some(current) = store.read_labels(secret).await?.and_then(|labels| labels.current) else {
        return Ok(None);
    };
    // The name of an own version says which credential it holds: an audit needs no permission to read values.
    if let Some(marker) = secret.marker_of(&current) {
        return Ok(Some(marker.into()));
    }
    let held = read_secret_version(store, secret, current).await?;
    Ok(Some(marker_for(held.credential.access_key_id()).into()))
}

/// Whether a new credential could be put there in the place of the old one; what cannot be is refused.
pub async fn check_writable(
    store: &impl VersionStore,
    secret: &SecretsManager,
    old: Option<&str>,
) -> BackendResult<()> {
    let labels = self::require_labels(store, secret).await?;
    if labels.rotates {
        let help = "switch it off: it uses the label AWSPENDING as well";
        return Err(to_backend_error(&secret.seal_error("its own rotation is on", help)));
    }
    let current = require_current(secret, &labels)?;
    // AWSPENDING can be on one version only, so a second change would take it from the first.
    if let Some(pending) = &labels.pending
        && *pending != current
        && !is_own(pending)
    {
        let what =
            format!("its version {pending} has the label AWSPENDING: someone else's change is under way");
        let help = "finish it, or take the label away with `aws secretsmanager update-secret-version-stage`";
        return Err(to_backend_error(&secret.seal_error(what, help)));
    }
    let text = store.read_version_value(secret, &current).await?;
    secret.check_json(text.expose_secret(), old).map_err(|why| to_backend_error(&why))
}

/// Puts the current version once more, which changes nothing: whether that is permitted shows before a key is made.
pub async fn dry_run_write(store: &impl VersionStore, secret: &SecretsManager) -> BackendResult<()> {
    let current = require_current(secret, &require_labels(store, secret).await?)?;
    let text = store.read_version_value(secret, &current).await?;
    store.put_version(secret, &current, &text).await
}

/// Adds the version that will be current once the rotation is merged.
pub async fn stage_credential(
    store: &impl VersionStore,
    secret: &SecretsManager,
    credential: &Credential,
) -> BackendResult<Fingerprint> {
    let current = require_current(secret, &require_labels(store, secret).await?)?;
    let text = store.read_version_value(secret, &current).await?;
    let merged =
        secret.merge_credential(text.expose_secret(), credential).map_err(|why| to_backend_error(&why))?;
    // The name has the base in it: staged again onto another version, it is another name, and AWS keeps both.
    store.put_version(secret, &secret.version_id(credential.access_key_id(), &current), &merged).await?;
    Ok(marker_for(credential.access_key_id()).into())
}

/// Makes a credential current that some version holds, and leaves every other field as the current version has it.
pub async fn promote_credential(
    store: &impl VersionStore,
    secret: &SecretsManager,
    marker: &str,
) -> BackendResult<Fingerprint> {
    for _ in 0..MAX_TRIES {
        let labels = self::require_labels(store, secret).await?;
        let now = read_secret_version(store, secret, require_current(secret, &labels)?).await?;
        let wanted = find_version(store, secret, &labels, marker).await?;
        // After a lost reply the promotion has already happened, and the loop ends here.
        if now.credential.has_same_values(&wanted.credential) {
            return Ok(marker.into());
        }
        let merged = secret
            .merge_credential(now.text.expose_secret(), &wanted.credential)
            .map_err(|why| to_backend_error(&why))?;
        // No other field has changed since the version was staged, so it can be promoted as it is.
        let version = if merged.expose_secret() == wanted.text.expose_secret() {
            wanted.version
        } else {
            let version = secret.version_id(wanted.credential.access_key_id(), &now.version);
            store.put_version(secret, &version, &merged).await?;
            version
        };
        match store.promote_version(secret, &version, &now.version).await {
            Err(BackendError { kind: ErrorKind::Conflict, .. }) => {}
            other => return other.map(|()| marker.into()),
        }
    }
    let what =
        format!("`secrets_manager {}`: others write it faster than keytide", secret.destination_target());
    Err(BackendError::new(ErrorKind::NotApplied, what))
}

/// A version that holds a credential: keytide's are known by their names, the others must be read.
async fn find_version(
    store: &impl VersionStore,
    secret: &SecretsManager,
    labels: &StagingLabels,
    marker: &str,
) -> BackendResult<SecretVersion> {
    let labelled = [&labels.pending, &labels.current, &labels.previous];
    let labelled: Vec<String> = labelled.into_iter().flatten().cloned().collect();
    if let Some(held) = find_among_versions(store, secret, labelled, marker).await? {
        return Ok(held);
    }
    let all = store.list_version_ids(secret).await?;
    find_among_versions(store, secret, all, marker).await?.ok_or_else(|| {
        let help = "write the credential there by hand, or go on without it with `keytide resume`";
        to_backend_error(&secret.seal_error("none of its versions holds the key any more", help))
    })
}

async fn find_among_versions(
    store: &impl VersionStore,
    secret: &SecretsManager,
    versions: Vec<String>,
    marker: &str,
) -> BackendResult<Option<SecretVersion>> {
    let (own, others): (Vec<String>, Vec<String>) =
        versions.into_iter().partition(|version| secret.marker_of(version).is_some());
    // Own versions come first: their names show which one it is, so the values of others are rarely read.
    let own = own.into_iter().filter(|version| secret.marker_of(version) == Some(marker));
    for version in own.chain(others.into_iter().take(MAX_READ)) {
        match read_secret_version(store, secret, version).await {
            Ok(held) if marker_for(held.credential.access_key_id()) == marker => return Ok(Some(held)),
            // Another credential, or none; or the store has done away with an old version.
            Ok(_) | Err(BackendError { kind: ErrorKind::NotFound | ErrorKind::Rejected, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

async fn read_secret_version(
    store: &impl VersionStore,
    secret: &SecretsManager,
    version: String,
) -> BackendResult<SecretVersion> {
    let text = store.read_version_value(secret, &version).await?;
    let credential = secret.read_credential(text.expose_secret()).map_err(|why| to_backend_error(&why))?;
    Ok(SecretVersion { version, text, credential })
}

async fn require_labels(store: &impl VersionStore, secret: &SecretsManager) -> BackendResult<StagingLabels> {
    store.read_labels(secret).await?.ok_or_else(|| {
        let help = "create it as a JSON object with the fields, or correct `secret_id` and `region`";
        to_backend_error(&secret.seal_error("there is no such secret", help))
    })
}

fn require_current(secret: &SecretsManager, labels: &StagingLabels) -> BackendResult<String> {
    labels.current.clone().ok_or_else(|| {
        to_backend_error(&secret.seal_error("it has no value", "make it a JSON object with the fields"))
    })
}

fn to_backend_error(why: &SealError) -> BackendError {
    BackendError::new(ErrorKind::Rejected, why.to_string())
}
