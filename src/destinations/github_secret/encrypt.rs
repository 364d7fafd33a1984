//! Encrypts a credential for GitHub's secrets: libsodium's sealed box for a public key that GitHub publishes.
//!
//! GitHub, "Encrypting secrets for the REST API": the value is a `crypto_box_seal` in Base64, sent with the ID of the
//! key that it was sealed for. Nothing is sent here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;

use crate::destinations::age::plaintext::render_credential;
use crate::destinations::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination, SealedPayload,
};
use crate::policy::file::{AgeFormat, GithubSecret};
use crate::secret::Credential;

impl GithubSecret {
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
