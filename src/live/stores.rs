//! Where a new credential goes that is in no file, each destination to its own module; and the keys that sealing needs.

use super::Service;
use crate::destinations::secrets_manager::versions;
pub(crate) use crate::destinations::{
    encryption::{FreshKey, PublicKey},
    sops::encrypt,
};
use crate::policy::Destination;
use crate::policy::file::{GithubSecret, SecretsManager};
use crate::ports::{Answer, Failure, Outcome, Parcel, Pending, SealingKeys, Stores};
use crate::rotation::Marker;
use crate::secret::{Credential, DataKey};

impl Stores for Service {
    async fn marker(&self, destination: &Destination) -> Answer<Option<Marker>> {
        match destination {
            Destination::GithubSecret(secret) => self.github_marker(secret).await,
            Destination::SecretsManager(secret) => versions::marker(self, secret).await,
            _ => Err(no_store()),
        }
    }

    async fn deliver(&self, destination: &Destination, parcel: &Parcel<'_>) -> Answer<Marker> {
        match destination {
            Destination::GithubSecret(secret) => self.github_deliver(secret, parcel.payloads).await,
            Destination::SecretsManager(secret) => {
                versions::bring(self, secret, parcel.version.unwrap_or_default()).await
            }
            _ => Err(no_store()),
        }
    }

    async fn back(&self, destination: &Destination, marker: Option<&str>) -> Answer<()> {
        match destination {
            Destination::SecretsManager(secret) => {
                versions::bring(self, secret, marker.unwrap_or_default()).await.map(drop)
            }
            Destination::GithubSecret(_) => {
                Err(Failure::new(Outcome::Refused, "GitHub does not give a secret's former value back"))
            }
            _ => Err(no_store()),
        }
    }
}

impl Pending for Service {
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
        _ => Err(no_store()),
    }
}

fn no_store() -> Failure {
    Failure::new(Outcome::Refused, "this destination is no store of this kind")
}

impl SealingKeys for Service {
    async fn public_key(&self, secret: &GithubSecret) -> Answer<PublicKey> {
        self.github_key(secret).await
    }

    async fn data_key(&self, path: &str, file: &[u8]) -> Answer<Option<DataKey>> {
        let identities = self.identities.as_ref();
        // An identity that does not fit is none: what then cannot be sealed says why.
        match identities.and_then(|identities| encrypt::unwrap(path, file, identities).ok()) {
            Some(key) => Ok(Some(key)),
            None => self.kms_unwrap(path, file).await,
        }
    }

    async fn fresh_key(&self, path: &str, file: &[u8]) -> Answer<Option<FreshKey>> {
        self.kms_wrap(path, file).await
    }
}
