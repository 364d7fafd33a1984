//! Secrets of GitHub: libsodium's sealed box for a public key that GitHub gives out, ready to be sent.
//!
//! GitHub, "Encrypting secrets for the REST API": the value is a `crypto_box_seal` in Base64, sent with the ID of the
//! key that it was sealed for. Nothing is sent here.

#[cfg(feature = "online")]
pub mod client;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::OsRng;

use super::age::plaintext::render;
use super::encryption::{Payload, Recipient, Refusal, Seal, Sealed, Workspace};
use crate::policy::file::{AgeFormat, GithubProduct, GithubSecret};
use crate::secret::Credential;

impl GithubSecret {
    /// Where the secrets lie, which is what GitHub has one public key for: `actions:acme/app:production`.
    pub fn place(&self) -> String {
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
    pub fn target(&self) -> String {
        let names = [&self.access_key_id, &self.secret_access_key, &self.json];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        format!("{}:{}", self.place(), names.join("+"))
    }

    fn public_key(&self, workspace: &Workspace) -> Result<(String, crypto_box::PublicKey), Refusal> {
        let place = self.place();
        let key = workspace.public_keys.get(&place).ok_or_else(|| {
            Refusal::elsewhere(
                format!("the public key of the secrets of `{place}` is not known"),
                "let the token read it",
            )
        })?;
        let bytes = STANDARD.decode(&key.key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        // Every box for the key of zeros has the same key: anybody could open it.
        let bytes = bytes.filter(|bytes| bytes.iter().any(|byte| *byte != 0)).ok_or_else(|| {
            Refusal::elsewhere(
                format!("the public key of the secrets of `{place}` is no key of 32 bytes in Base64"),
                "try again; it is GitHub that gives it out",
            )
        })?;
        Ok((key.key_id.clone(), crypto_box::PublicKey::from(bytes)))
    }
}

impl Seal for GithubSecret {
    fn preflight(&self, workspace: &Workspace) -> Result<Vec<Recipient>, Refusal> {
        self.public_key(workspace)?;
        // GitHub changes its key now and then; whoever reads the secrets stays the same.
        Ok(vec![Recipient::new("github", self.place())])
    }

    fn seal(&self, credential: &Credential, workspace: &mut Workspace) -> Result<Vec<Sealed>, Refusal> {
        let (key_id, key) = self.public_key(workspace)?;
        let payload = |name: &String, content: &[u8]| {
            let sealed = key.seal(&mut OsRng, content).map_err(|_| {
                Refusal::elsewhere(format!("the encryption for `{}` failed", self.place()), "try again")
            })?;
            let encrypted_value = STANDARD.encode(sealed);
            Ok(Payload { name: name.clone(), key_id: key_id.clone(), encrypted_value })
        };
        let mut sealed = Sealed::new("github_secret", self.target(), credential.access_key_id());
        if let Some(name) = &self.json {
            sealed.payloads.push(payload(name, &render(credential, AgeFormat::Json)?)?);
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
    fn carry(&self, _: &str, _: &Workspace, _: &mut Workspace) -> Result<Vec<Sealed>, Refusal> {
        Ok(Vec::new())
    }
}
