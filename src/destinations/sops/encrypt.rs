//! Encrypts a credential into values of a SOPS file, in one of two ways.
//!
//! With the file's data key, these values, `lastmodified` and the MAC change, and no other byte. The old MAC is verified
//! first, so a value that keytide reads in another way than SOPS is an error.
//!
//! Without the data key, the credential must be all that is encrypted. A new data key is then generated and wrapped for the
//! recipients that the file names; AWS KMS wraps it for its own. The old MAC is not verified, because that needs the old
//! data key.
//!
//! A binary file of SOPS holds one value and is refused.

use std::collections::BTreeSet;

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::RngCore as _;
use secrecy::SecretString;
use zeroize::Zeroizing;

pub use super::keys::KmsKey;

use super::document::SopsDocument;
use super::edit::EditTarget;
use super::store_format::ParsedSopsFile;
use crate::destinations::ProblemKind;
use crate::destinations::encryption::{
    FreshKey, Recipient, SealDestination, SealError, SealWorkspace, SealedDestination, example_credential,
};
use crate::destinations::kind::{DataKeyFile, FileDestination as _};
use crate::destinations::sealed_file::inspect_sealed_file;
use crate::policy::file::SopsDestination;
use crate::secret::{Credential, DATA_KEY_LEN, DataKey};

/// The data keys of a file that AWS KMS has wrapped, any one of which will do.
///
/// # Errors
/// The file is none of SOPS, or one of the data keys is broken.
pub fn kms_keys(file: &str, bytes: &[u8]) -> Result<Vec<KmsKey>, SealError> {
    super::keys::list_kms_keys(file, &parse_document(file, file_text(file, bytes)?)?)
}

/// Unwraps the data key of a file with identities of age, as `SOPS_AGE_KEY` holds them.
///
/// # Errors
/// The file is none of SOPS, or none of the identities is one of its recipients.
pub fn unwrap_data_key(file: &str, bytes: &[u8], identities: &SecretString) -> Result<DataKey, SealError> {
    super::keys::unwrap_with_identities(file, &parse_document(file, file_text(file, bytes)?)?, identities)
}

/// A new data key.
///
/// # Errors
/// There are no random numbers.
pub fn generate_data_key(file: &str) -> Result<DataKey, SealError> {
    let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
    OsRng.try_fill_bytes(&mut *bytes).map_err(|_| SealError::encryption_failed(file))?;
    DataKey::take_from_slice(&mut *bytes).ok_or_else(|| SealError::encryption_failed(file))
}

impl SealDestination for SopsDestination {
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        self.seal_file(&example_credential(self.value_paths().len()), workspace)?;
        self.list_recipients(workspace)
    }

    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let (bytes, sealed) = self.seal_file(credential, workspace)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn carry_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let [old, new] = [self.recipient_names(staged)?, self.recipient_names(workspace)?];
        // A recipient who was added since can unwrap the same data key: carried over, the credential would go to someone
        // whom neither the pull request nor the user's tag names.
        if old != new {
            return Err(SealError::secret_is_gone(
                &self.file.0,
                "its recipients have changed since the new key was encrypted for them",
            ));
        }
        self.restore_sealed(key_id, staged, workspace)
    }

    /// Everyone who has the data key today can decrypt the credential of before in the history of the file.
    fn restore_sealed(
        &self,
        key_id: &str,
        before: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let key = workspace.data_keys.get(&self.file.0).ok_or_else(|| {
            SealError::secret_is_gone(
                &self.file.0,
                "it has changed since the key was encrypted into it, and keytide has no key to decrypt it with, such as SOPS_AGE_KEY",
            )
        })?;
        let [old, new] = [self.edit_target(before)?, self.edit_target(workspace)?];
        old.verify_mac(key)?;
        new.verify_mac(key)?;
        let ciphertexts = old.current_ciphertexts();
        // The journal names the key, and the file comes from a branch that people can push to.
        if !old.holds_key_id(key_id, key)? {
            return Err(SealError::secret_is_gone(&self.file.0, "what was sealed is another access key"));
        }
        let bytes = new.write_ciphertexts(&ciphertexts, workspace.now, key, Vec::new())?;
        let sealed = self.sealed_destination(key_id, &ciphertexts, &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    fn replay_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        let [old, new] = [self.edit_target(staged)?, self.edit_target(workspace)?];
        let bytes = new.replay_ciphertexts(&old)?;
        let sealed = self.sealed_destination(key_id, &old.current_ciphertexts(), &bytes)?;
        workspace.files.insert(self.file.0.clone(), bytes);
        Ok(vec![sealed])
    }

    /// The time and the MAC are another run's own; the data key proves them. All else must be the same byte for byte.
    fn is_carried_alike(&self, found: &[u8], carried: &SealWorkspace) -> bool {
        let Some(key) = carried.data_keys.get(&self.file.0) else { return false };
        let mut other = SealWorkspace::new(carried.now);
        other.files.insert(self.file.0.clone(), found.to_vec());
        let (Ok(ours), Ok(theirs)) = (self.edit_target(carried), self.edit_target(&other)) else {
            return false;
        };
        theirs.verify_mac(key).is_ok() && ours.replay_mac(&theirs).is_ok_and(|bytes| bytes == found)
    }
}

impl DataKeyFile for SopsDestination {
    fn path(&self) -> &str {
        &self.file.0
    }

    fn may_replace_data_key(&self, workspace: &SealWorkspace) -> bool {
        self.is_credential_only(workspace)
    }
}

impl SopsDestination {
    /// Whether the credential is all that is encrypted in the file: then a new data key will do.
    pub fn is_credential_only(&self, workspace: &SealWorkspace) -> bool {
        self.edit_target(workspace).is_ok_and(|target| target.stands_alone().is_ok())
    }

    /// Who can decrypt the file.
    fn list_recipients(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError> {
        let bytes = workspace.require_file(&self.file.0)?;
        Ok(super::keys::list_recipients(&parse_document(&self.file.0, file_text(&self.file.0, bytes)?)?))
    }

    fn recipient_names(&self, workspace: &SealWorkspace) -> Result<BTreeSet<String>, SealError> {
        Ok(self.list_recipients(workspace)?.iter().map(Recipient::kind_and_name).collect())
    }

    /// The file's new bytes, and what they hold.
    fn seal_file(
        &self,
        credential: &Credential,
        workspace: &SealWorkspace,
    ) -> Result<(Vec<u8>, SealedDestination), SealError> {
        let target = self.edit_target(workspace)?;
        let now = workspace.now;
        let (bytes, ciphertexts) = match workspace.data_keys.get(&self.file.0) {
            Some(key) => {
                // Before the edit: the new MAC would cover a value that others changed without the data key.
                target.verify_mac(key)?;
                let ciphertexts = target.encrypt_credential(credential, key)?;
                (target.write_ciphertexts(&ciphertexts, now, key, Vec::new())?, ciphertexts)
            }
            None => {
                target.stands_alone()?;
                let made;
                let fresh = match workspace.fresh_keys.get(&self.file.0) {
                    Some(fresh) => fresh,
                    None => {
                        made = FreshKey { key: generate_data_key(&self.file.0)?, wrapped: Vec::new() };
                        &made
                    }
                };
                let edits =
                    super::keys::rewrap_data_key(&self.file.0, target.source, &target.document, fresh)?;
                let ciphertexts = target.encrypt_credential(credential, &fresh.key)?;
                (target.write_ciphertexts(&ciphertexts, now, &fresh.key, edits)?, ciphertexts)
            }
        };
        let sealed = self.sealed_destination(credential.access_key_id(), &ciphertexts, &bytes)?;
        Ok((bytes, sealed))
    }

    /// What the new file says of itself.
    fn sealed_destination(
        &self,
        key_id: &str,
        ciphertexts: &[String],
        bytes: &[u8],
    ) -> Result<SealedDestination, SealError> {
        let sealed = inspect_sealed_file(self, key_id, bytes)?;
        if sealed.credential_sha256 != Some(crate::hash::sha256_hex(ciphertexts.join("\n").as_bytes())) {
            return Err(SealError::internal_fault(
                &self.file.0,
                "the values did not take the new credential",
            ));
        }
        Ok(sealed)
    }

    fn edit_target<'a>(&'a self, workspace: &'a SealWorkspace) -> Result<EditTarget<'a>, SealError> {
        let file = self.file.0.as_str();
        let bytes = workspace.require_file(file)?;
        let source = file_text(file, bytes)?;
        let document = parse_document(file, source)?;
        // A value in clear text has leaked already: to encrypt over it would hide that.
        if let Some(problem) = self.inspect_file(bytes).problems.into_iter().next() {
            let help = match problem.kind {
                ProblemKind::Invalid | ProblemKind::Incomplete => "check that the file decrypts with SOPS",
                _ => "encrypt these values with SOPS once; from then on keytide replaces them",
            };
            return Err(SealError::in_file(file, problem.message, help).with_position(problem.at));
        }
        let store = ParsedSopsFile::parse_file(file, bytes)
            .map_err(|(at, why)| no_file_of_sops(file, &why).with_position(at))?;
        let mut places = Vec::new();
        for name in self.value_paths() {
            let place = document.find_leaf(&store.split_path(name)).ok_or_else(|| {
                let what = format!("this file has no value `{name}`");
                SealError::in_file(file, what, "correct the path in the policy file")
            })?;
            // The second write would replace the first, which would be lost.
            if places.contains(&place) {
                return Err(SealError::in_file(
                    file,
                    "two paths name one value",
                    "name a value for each in the policy file",
                ));
            }
            places.push(place);
        }
        Ok(EditTarget { file, source, document, places })
    }
}

fn file_text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, SealError> {
    std::str::from_utf8(bytes).map_err(|_| no_file_of_sops(file, "it is not UTF-8 text"))
}

fn parse_document(file: &str, source: &str) -> Result<SopsDocument, SealError> {
    SopsDocument::parse_file(file, source).map_err(|(at, why)| no_file_of_sops(file, &why).with_position(at))
}

fn no_file_of_sops(file: &str, why: &str) -> SealError {
    let help = "name a YAML, JSON, dotenv or INI file that SOPS has encrypted";
    SealError::in_file(
        file,
        format!("this is no file of SOPS that a credential can be put into: {why}"),
        help,
    )
}
