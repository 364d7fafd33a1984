//! Two values of a SOPS file, in one of two ways.
//!
//! With the file's data key: the two values, `lastmodified` and the MAC change, and no other byte. The old MAC is
//! verified first, so a value that is read here in another way than by SOPS stops it. Without: where the credential is
//! all that is encrypted, a new data key is made and wrapped for the recipients that stand in the file (a client has AWS
//! KMS wrap it); the old MAC cannot be verified then, since whoever has the public keys could have written the file.
//!
//! A binary file of SOPS is one value and is refused: two names in it cannot be told apart.

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore as _;
use secrecy::SecretString;
use zeroize::Zeroizing;

pub use super::keys::{FreshKey, KmsKey};

use super::super::Kept as _;
use super::document::Document;
use super::edit::Target;
use super::store_format::Store;
use crate::destinations::encryption::{EXAMPLE, Recipient, Refusal, Seal, Sealed, Workspace};
use crate::policy::file::SopsDestination;
use crate::secret::{Credential, DATA_KEY_LEN, DataKey};

/// The data keys of a file that AWS KMS has wrapped, any one of which will do.
///
/// # Errors
/// The file is none of SOPS, or one of the data keys is broken.
pub fn kms_keys(file: &str, bytes: &[u8]) -> Result<Vec<KmsKey>, Refusal> {
    super::keys::kms(file, &read(file, text(file, bytes)?)?)
}

/// Unwraps the data key of a file with identities of age, as `SOPS_AGE_KEY` holds them.
///
/// # Errors
/// The file is none of SOPS, or none of the identities is one of its recipients.
pub fn unwrap(file: &str, bytes: &[u8], identities: &SecretString) -> Result<DataKey, Refusal> {
    super::keys::unwrap(file, &read(file, text(file, bytes)?)?, identities)
}

/// A new data key.
///
/// # Errors
/// There are no random numbers.
pub fn fresh(file: &str) -> Result<DataKey, Refusal> {
    let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
    OsRng.try_fill_bytes(&mut *bytes).map_err(|_| Refusal::failed(file))?;
    DataKey::take_from_slice(&mut *bytes).ok_or_else(|| Refusal::failed(file))
}

impl Seal for SopsDestination {
    fn preflight(&self, workspace: &Workspace) -> Result<Vec<Recipient>, Refusal> {
        let (id, secret) = EXAMPLE;
        self.sealed(&Credential::new(id, secret.to_owned()), workspace)?;
        let bytes = workspace.file(&self.file.0)?;
        Ok(super::keys::recipients(&read(&self.file.0, text(&self.file.0, bytes)?)?))
    }

    fn seal(&self, credential: &Credential, workspace: &mut Workspace) -> Result<Vec<Sealed>, Refusal> {
        let (bytes, sealed) = self.sealed(credential, workspace)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn carry(
        &self,
        key_id: &str,
        staged: &Workspace,
        workspace: &mut Workspace,
    ) -> Result<Vec<Sealed>, Refusal> {
        let key = workspace.data_keys.get(&self.file.0).ok_or_else(|| {
            Refusal::lost(&self.file.0, "it has changed since it was sealed, and its data key is not known")
        })?;
        let [old, new] = [self.target(staged)?, self.target(workspace)?];
        old.verify(key)?;
        new.verify(key)?;
        let ciphertexts = old.ciphertexts();
        if !old.holds(key_id, key)? {
            return Err(Refusal::lost(&self.file.0, "what was sealed is another access key"));
        }
        let bytes = new.write(&ciphertexts, workspace.now, key, Vec::new())?;
        let sealed = self.told(key_id, &ciphertexts, &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }
}

impl SopsDestination {
    /// Whether the credential is all that is encrypted in the file: then a new data key will do.
    pub fn stands_alone(&self, workspace: &Workspace) -> bool {
        self.target(workspace).is_ok_and(|target| target.stands_alone().is_ok())
    }

    /// The file's new bytes, and what they hold.
    fn sealed(&self, credential: &Credential, workspace: &Workspace) -> Result<(Vec<u8>, Sealed), Refusal> {
        let target = self.target(workspace)?;
        let now = workspace.now;
        let (bytes, ciphertexts) = match workspace.data_keys.get(&self.file.0) {
            Some(key) => {
                target.verify(key)?;
                let ciphertexts = target.encrypt(credential, key)?;
                (target.write(&ciphertexts, now, key, Vec::new())?, ciphertexts)
            }
            None => {
                target.stands_alone()?;
                let made;
                let fresh = match workspace.fresh_keys.get(&self.file.0) {
                    Some(fresh) => fresh,
                    None => {
                        made = FreshKey { key: fresh(&self.file.0)?, wrapped: Vec::new() };
                        &made
                    }
                };
                let edits = super::keys::rewrap(&self.file.0, target.source, &target.document, fresh)?;
                let ciphertexts = target.encrypt(credential, &fresh.key)?;
                (target.write(&ciphertexts, now, &fresh.key, edits)?, ciphertexts)
            }
        };
        let sealed = self.told(credential.access_key_id(), &ciphertexts, &bytes)?;
        Ok((bytes, sealed))
    }

    /// What the new file says of itself.
    fn told(&self, key_id: &str, ciphertexts: &[String; 2], bytes: &[u8]) -> Result<Sealed, Refusal> {
        let sealed = Sealed::file(self, key_id, bytes)?;
        if sealed.credential_sha256 != Some(crate::hash::sha256_hex(ciphertexts.join("\n").as_bytes())) {
            return Err(Refusal::broken(&self.file.0, "the two values did not take the new credential"));
        }
        Ok(sealed)
    }

    fn target<'a>(&'a self, workspace: &'a Workspace) -> Result<Target<'a>, Refusal> {
        let file = self.file.0.as_str();
        let bytes = workspace.file(file)?;
        let source = text(file, bytes)?;
        let document = read(file, source)?;
        if let Some(problem) = self.inspect(bytes).problems.into_iter().next() {
            let help = "encrypt both values with SOPS once; from then on keytide replaces them";
            return Err(Refusal::of(file, problem.message, help).at(problem.at));
        }
        let store = Store::read(file, bytes).map_err(|(at, why)| no_file_of_sops(file, &why).at(at))?;
        let find = |name: &str| {
            document.find(&store.path(name)).ok_or_else(|| {
                let what = format!("this file has no value `{name}`");
                Refusal::of(file, what, "correct the path in the policy file")
            })
        };
        let places = [find(&self.access_key_id)?, find(&self.secret_access_key)?];
        if places[0] == places[1] {
            return Err(Refusal::of(file, "both paths name one value", "name two values in the policy file"));
        }
        let target = Target { file, source, document, places };
        target.is_dated()?;
        Ok(target)
    }
}

fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| no_file_of_sops(file, "it is not UTF-8 text"))
}

fn read(file: &str, source: &str) -> Result<Document, Refusal> {
    Document::read(file, source).map_err(|(at, why)| no_file_of_sops(file, &why).at(at))
}

fn no_file_of_sops(file: &str, why: &str) -> Refusal {
    let help = "name a YAML, JSON, dotenv or INI file that SOPS has encrypted";
    Refusal::of(file, format!("this is no file of SOPS that a credential can be put into: {why}"), help)
}
