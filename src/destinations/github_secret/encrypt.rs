//! Encrypts a credential for GitHub's secrets with the public key that GitHub publishes for them. Sends nothing.
//!
//! GitHub, "Encrypting secrets for the REST API": the value is a sealed box of libsodium (`crypto_box_seal`) in Base64,
//! and is sent with the ID of the public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;

use crate::destinations::encryption::{
    Recipient, SealDestination, SealError, SealWorkspace, SealedDestination, SealedPayload,
};
use crate::destinations::plaintext::render_credential;
use crate::destinations::value_names::pair_values;
use crate::policy::file::GithubSecret;
use crate::secret::Credential;

/// The public key of GitHub, with the ID that is sent with each value.
struct EncryptionKey {
    id: String,
    key: crypto_box::PublicKey,
}

impl GithubSecret {
    fn public_key(&self, workspace: &SealWorkspace) -> Result<EncryptionKey, SealError> {
        let place = self.describe_secrets();
        let key = workspace.public_keys.get(&self.api_location()).ok_or_else(|| {
            SealError::outside_files(
                format!("the public key of the {place} is not known"),
                "let the token read it",
            )
        })?;
        let bytes = STANDARD.decode(&key.key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        // Every box for a key of zeros has the same key, so anyone could open it.
        let bytes = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0)).ok_or_else(|| {
            SealError::outside_files(
                format!("the public key of the {place} is no key of 32 bytes in Base64"),
                "try again; it is GitHub that gives it out",
            )
        })?;
        Ok(EncryptionKey { id: key.key_id.clone(), key: crypto_box::PublicKey::from(bytes) })
    }

    fn encrypt_value(
        &self,
        key: &EncryptionKey,
        name: &str,
        content: &[u8],
    ) -> Result<SealedPayload, SealError> {
        let sealed = key.key.seal(&mut OsRng, content).map_err(|_| {
            let what = format!("the encryption for {} failed", self.describe_secrets());
            SealError::outside_files(what, "try again")
        })?;
        let encrypted_value = STANDARD.encode(sealed);
        Ok(SealedPayload { name: name.to_owned(), key_id: key.id.clone(), encrypted_value })
    }
}

impl SealDestination for GithubSecret {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        self.public_key(workspace)?;
        // GitHub changes its key now and then, but those who read the secrets stay the same.
        Ok(vec![Recipient::new("github", self.api_location())])
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let key = self.public_key(workspace)?;
        let mut sealed =
            SealedDestination::new("github_secret", self.destination_target(), credential.access_key_id());
        if let Some(name) = &self.json {
            let content = render_credential(credential, &self.layout())?;
            sealed.payloads.push(self.encrypt_value(&key, name, &content)?);
            return Ok(vec![sealed]);
        }
        // The ID as well: GitHub takes the value of a secret in this form only.
        for (name, value) in pair_values(self.secret_names(), credential)? {
            sealed.payloads.push(self.encrypt_value(&key, name, value.as_bytes())?);
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
