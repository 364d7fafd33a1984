//! A delivery to a store that keeps versions, put together from single requests: the same for AWS Secrets Manager and for
//! [`crate::simulator`].
//!
//! One version is current, and that moves by a compare-and-swap only: so what somebody else wrote meanwhile is seen, and
//! merged onto. Versions never change, and each of keytide's is named after what it holds: whatever died on the way, the
//! next run finds it and goes on.

use secrecy::{ExposeSecret as _, SecretString};

use crate::destinations::encryption::Refusal;
use crate::destinations::secrets_manager::{is_own, marker as marker_for};
use crate::policy::file::SecretsManager;
use crate::ports::{Answer, Failure, Outcome};
use crate::rotation::Marker;
use crate::secret::Credential;

/// How often it is tried to be faster than other writers.
const TRIES: usize = 5;
/// So many of other people's versions are read at most, to find one.
const MAX_READ: usize = 20;

/// The single requests.
#[expect(async_fn_in_trait, reason = "one thread: no future is sent anywhere")]
pub trait Versions {
    /// `None`: there is no such secret.
    async fn labels(&self, secret: &SecretsManager) -> Answer<Option<Labels>>;
    /// The names of all versions that may still be read, those without a label included.
    async fn names(&self, secret: &SecretsManager) -> Answer<Vec<String>>;
    /// What a version holds. It is other people's too.
    async fn value(&self, secret: &SecretsManager, version: &str) -> Answer<SecretString>;
    /// Adds a version that nobody reads yet. May be repeated.
    async fn put(&self, secret: &SecretsManager, version: &str, value: &SecretString) -> Answer<()>;
    /// Makes a version the current one in the place of `from`: [`Outcome::Conflict`] when that is not it. May be
    /// repeated.
    async fn promote(&self, secret: &SecretsManager, version: &str, from: &str) -> Answer<()>;
}

/// Which versions are labelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    pub current: Option<String>,
    pub pending: Option<String>,
    pub previous: Option<String>,
    /// Whether the store itself rotates the secret.
    pub rotates: bool,
}

/// A version and what it holds.
struct Held {
    version: String,
    text: SecretString,
    credential: Credential,
}

/// What marks the credential that is current: who else writes other fields does not change it.
pub async fn marker(store: &impl Versions, secret: &SecretsManager) -> Answer<Option<Marker>> {
    let Some(current) = store.labels(secret).await?.and_then(|labels| labels.current) else {
        return Ok(None);
    };
    if let Some(marker) = secret.marker_of(&current) {
        return Ok(Some(marker.into()));
    }
    let held = read(store, secret, current).await?;
    Ok(Some(marker_for(held.credential.access_key_id()).into()))
}

/// Whether a new credential could be put there in the place of the old one; what cannot be is refused.
pub async fn fits(store: &impl Versions, secret: &SecretsManager, old: Option<&str>) -> Answer<()> {
    let labels = self::labels(store, secret).await?;
    if labels.rotates {
        let help = "switch it off: it uses the label AWSPENDING as well";
        return Err(refused(&secret.refusal("its own rotation is on", help)));
    }
    let current = current(secret, &labels)?;
    let foreign = |pending: &&String| **pending != current && !is_own(pending);
    if let Some(pending) = labels.pending.as_ref().filter(foreign) {
        let what = format!("its version {pending} bears AWSPENDING: somebody else's change is under way");
        let help = "finish it, or take the label away with `aws secretsmanager update-secret-version-stage`";
        return Err(refused(&secret.refusal(what, help)));
    }
    let text = store.value(secret, &current).await?;
    secret.preflight(text.expose_secret(), old).map_err(|why| refused(&why))
}

/// Puts the current version once more, which changes nothing: whether that is permitted shows before a key is made.
pub async fn rehearse(store: &impl Versions, secret: &SecretsManager) -> Answer<()> {
    let current = current(secret, &labels(store, secret).await?)?;
    let text = store.value(secret, &current).await?;
    store.put(secret, &current, &text).await
}

/// Adds the version that will be current once the rotation is merged.
pub async fn pend(store: &impl Versions, secret: &SecretsManager, credential: &Credential) -> Answer<Marker> {
    let current = current(secret, &labels(store, secret).await?)?;
    let text = store.value(secret, &current).await?;
    let merged = secret.merge(text.expose_secret(), credential).map_err(|why| refused(&why))?;
    store.put(secret, &secret.version(credential.access_key_id(), &current), &merged).await?;
    Ok(marker_for(credential.access_key_id()).into())
}

/// Makes a credential current that some version holds, and leaves every other field as the current version has it.
pub async fn bring(store: &impl Versions, secret: &SecretsManager, marker: &str) -> Answer<Marker> {
    for _ in 0..TRIES {
        let labels = self::labels(store, secret).await?;
        let now = read(store, secret, current(secret, &labels)?).await?;
        let wanted = find(store, secret, &labels, marker).await?;
        if is_same(&now.credential, &wanted.credential) {
            return Ok(marker.into());
        }
        let merged =
            secret.merge(now.text.expose_secret(), &wanted.credential).map_err(|why| refused(&why))?;
        let version = if merged.expose_secret() == wanted.text.expose_secret() {
            wanted.version
        } else {
            let version = secret.version(wanted.credential.access_key_id(), &now.version);
            store.put(secret, &version, &merged).await?;
            version
        };
        match store.promote(secret, &version, &now.version).await {
            Err(Failure { outcome: Outcome::Conflict, .. }) => {}
            other => return other.map(|()| marker.into()),
        }
    }
    let what = format!("`secrets_manager {}`: others write it faster than keytide", secret.target());
    Err(Failure::new(Outcome::NotDone, what))
}

/// A version that holds a credential: keytide's are known by their names, the others must be read.
async fn find(store: &impl Versions, secret: &SecretsManager, labels: &Labels, marker: &str) -> Answer<Held> {
    let labelled = [&labels.pending, &labels.current, &labels.previous];
    let labelled: Vec<String> = labelled.into_iter().flatten().cloned().collect();
    if let Some(held) = among(store, secret, labelled, marker).await? {
        return Ok(held);
    }
    let all = store.names(secret).await?;
    among(store, secret, all, marker).await?.ok_or_else(|| {
        let help = "write the credential there by hand, or go on without it with `keytide resume`";
        refused(&secret.refusal("none of its versions holds the key any more", help))
    })
}

async fn among(
    store: &impl Versions,
    secret: &SecretsManager,
    versions: Vec<String>,
    marker: &str,
) -> Answer<Option<Held>> {
    let (own, others): (Vec<String>, Vec<String>) =
        versions.into_iter().partition(|version| secret.marker_of(version).is_some());
    let own = own.into_iter().filter(|version| secret.marker_of(version) == Some(marker));
    for version in own.chain(others.into_iter().take(MAX_READ)) {
        match read(store, secret, version).await {
            Ok(held) if marker_for(held.credential.access_key_id()) == marker => return Ok(Some(held)),
            // Another credential, or none; or the store has done away with an old version.
            Ok(_) | Err(Failure { outcome: Outcome::Missing | Outcome::Refused, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

async fn read(store: &impl Versions, secret: &SecretsManager, version: String) -> Answer<Held> {
    let text = store.value(secret, &version).await?;
    let credential = secret.read(text.expose_secret()).map_err(|why| refused(&why))?;
    Ok(Held { version, text, credential })
}

async fn labels(store: &impl Versions, secret: &SecretsManager) -> Answer<Labels> {
    store.labels(secret).await?.ok_or_else(|| {
        let help = "create it as a JSON object with the two fields, or correct `secret_id` and `region`";
        refused(&secret.refusal("there is no such secret", help))
    })
}

fn current(secret: &SecretsManager, labels: &Labels) -> Answer<String> {
    labels.current.clone().ok_or_else(|| {
        refused(&secret.refusal("it has no value", "make it a JSON object with the two fields"))
    })
}

fn is_same(one: &Credential, other: &Credential) -> bool {
    one.access_key_id() == other.access_key_id() && one.expose_secret() == other.expose_secret()
}

fn refused(why: &Refusal) -> Failure {
    Failure::new(Outcome::Refused, why.to_string())
}
