//! Secrets of GitHub: libsodium's sealed box for a public key that GitHub gives out, ready to be sent.
//!
//! GitHub, "Encrypting secrets for the REST API": the value is a `crypto_box_seal` in Base64, sent with the ID of the
//! key that it was sealed for. Nothing is sent here.

#[cfg(feature = "online")]
pub mod client;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;

use super::age::plaintext::render_credential;
use super::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination, SealedPayload,
};
use super::kind::DestinationKind;
use crate::policy::file::{AgeFormat, GithubProduct, GithubSecret};
use crate::rotation::{DestinationId, StorageKind, ids};
use crate::secret::Credential;

impl DestinationKind for GithubSecret {
    fn identity(&self) -> Option<(DestinationId, StorageKind)> {
        Some((ids::destination_id("github_secret", &self.destination_target()), StorageKind::Store))
    }
}

impl GithubSecret {
    /// Where the secrets lie, which is what GitHub has one public key for: `actions:acme/app:production`.
    pub fn api_location(&self) -> String {
        let product = match self.product {
            GithubProduct::Actions => "actions",
            GithubProduct::Dependabot => "dependabot",
            GithubProduct::Codespaces => "codespaces",
        };
        let owner = self.repository.as_deref().or(self.organization.as_deref()).unwrap_or_default();
        let environment = self.environment.iter().map(|name| format!(":{name}"));
        format!("{product}:{owner}{}", environment.collect::<String>())
    }

    /// What tells this destination from others: the place, then the names of the secrets.
    pub fn destination_target(&self) -> String {
        let names = [&self.access_key_id, &self.secret_access_key, &self.json];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        format!("{}:{}", self.api_location(), names.join("+"))
    }

    /// The names of the secrets, in the order of their payloads.
    pub fn secret_names(&self) -> Vec<&str> {
        let names = [&self.json, &self.access_key_id, &self.secret_access_key];
        names.into_iter().flatten().map(String::as_str).collect()
    }

    fn public_key(&self, workspace: &SealWorkspace) -> Result<(String, crypto_box::PublicKey), SealError> {
        let place = self.api_location();
        let key = workspace.public_keys.get(&place).ok_or_else(|| {
            SealError::outside_files(
                format!("the public key of the secrets of `{place}` is not known"),
                "let the token read it",
            )
        })?;
        let bytes = STANDARD.decode(&key.key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        // Every box for the key of zeros has the same key: anybody could open it.
        let bytes = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0)).ok_or_else(|| {
            SealError::outside_files(
                format!("the public key of the secrets of `{place}` is no key of 32 bytes in Base64"),
                "try again; it is GitHub that gives it out",
            )
        })?;
        Ok((key.key_id.clone(), crypto_box::PublicKey::from(bytes)))
    }
}

impl SealDestination for GithubSecret {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        self.public_key(workspace)?;
        // GitHub changes its key now and then; whoever reads the secrets stays the same.
        Ok(vec![Recipient::new("github", self.api_location())])
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let (key_id, key) = self.public_key(workspace)?;
        let payload = |name: &String, content: &[u8]| {
            let sealed = key.seal(&mut OsRng, content).map_err(|_| {
                SealError::outside_files(
                    format!("the encryption for `{}` failed", self.api_location()),
                    "try again",
                )
            })?;
            let encrypted_value = STANDARD.encode(sealed);
            Ok(SealedPayload { name: name.clone(), key_id: key_id.clone(), encrypted_value })
        };
        let mut sealed =
            SealedDestination::new("github_secret", self.destination_target(), credential.access_key_id());
        if let Some(name) = &self.json {
            sealed.payloads.push(payload(name, &render_credential(credential, AgeFormat::Json)?)?);
        }
        for (name, value) in [
            (&self.access_key_id, credential.access_key_id()),
            (&self.secret_access_key, credential.expose_secret()),
        ] {
            sealed.payloads.extend(
                name.iter().map(|name| payload(name, value.as_bytes())).collect::<Result<Vec<_>, _>>()?,
            );
        }
        Ok(vec![sealed])
    }

    /// No file holds it, and the payloads that were made do not change with one.
    fn carry_sealed(
        &self,
        _: &str,
        _: &SealWorkspace,
        _: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        Ok(Vec::new())
    }
}
