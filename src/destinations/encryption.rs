//! Defines how a kind of destination encrypts a credential (`SealDestination`), from which inputs (`SealWorkspace`), and
//! what comes out (`SealedDestination`) or is wrong (`SealError`).
//!
//! Encryption does no I/O and draws only random numbers. `engine` reads the files and fetches the keys before, and writes
//! the results after it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Position;
use crate::secret::{Credential, DataKey};

/// What a destination is tried with before there is a key: AWS' own example.
pub(crate) const EXAMPLE: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

/// A credential for a trial, with as many values as a destination holds.
pub(crate) fn example_credential(values: usize) -> Credential {
    let (id, secret) = EXAMPLE;
    // As long as an SMTP password of SES, which is longer than a secret access key.
    let secret = format!("{secret}====");
    let credential = Credential::new(id, secret.clone());
    if values > 2 { credential.with_smtp_password(secret) } else { credential }
}

/// A destination that a credential can be sealed for.
pub trait SealDestination {
    /// Checks everything that can be checked before a key is created, and returns who will be able to decrypt.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check_sealable(&self, workspace: &SealWorkspace) -> Result<Vec<Recipient>, SealError>;

    /// Encrypts the credential. Replaces the destination's file in the workspace, so that a second destination in the same
    /// file starts from the result; after an error the file is as it was.
    ///
    /// # Errors
    /// What [`SealDestination::check_sealable`] would say, or that the encryption itself failed.
    fn seal_credential(
        &self,
        credential: &Credential,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError>;

    /// Writes the ciphertext of an earlier run into files that have changed since: the secret itself no longer exists.
    /// `staged` has the files as they were sealed, `workspace` those of now; `key_id` is the new ID.
    ///
    /// # Errors
    /// What cannot be done without the secret, such as recipients that have changed.
    fn carry_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError>;

    /// Writes the ciphertext of an earlier run into the files for which it was sealed, without any key. If the result
    /// differs from the sealed files, those were changed in more than the credential.
    ///
    /// # Errors
    /// The sealed files do not fit the others.
    fn replay_sealed(
        &self,
        key_id: &str,
        staged: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        self.carry_sealed(key_id, staged, workspace)
    }

    /// The same with the ciphertext that the file held before a rotation, for a rollback. The recipients may have changed
    /// since where those of today can decrypt the former file as well.
    ///
    /// # Errors
    /// What cannot be done without the secret.
    fn restore_sealed(
        &self,
        key_id: &str,
        before: &SealWorkspace,
        workspace: &mut SealWorkspace,
    ) -> Result<Vec<SealedDestination>, SealError> {
        self.carry_sealed(key_id, before, workspace)
    }

    /// Whether `found` is what another run has carried from the same ciphertext into the same file: it differs from the file
    /// that [`Self::carry_sealed`] or [`Self::restore_sealed`] has just written in nothing but what each such call draws
    /// anew. Most kinds draw nothing.
    fn is_carried_alike(&self, found: &[u8], carried: &SealWorkspace) -> bool {
        let _ = (found, carried);
        false
    }
}

/// What sealing may look at.
#[derive(Debug, Default)]
pub struct SealWorkspace {
    /// The time.
    pub now: Timestamp,
    /// The access key ID that the destinations name today, where it is known.
    pub old_key_id: Option<String>,
    /// The destinations' files, those beside them, and those that a reference's globs match.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The data keys of SOPS files, by the file, where they could be unwrapped.
    pub data_keys: BTreeMap<String, DataKey>,
    /// New data keys for SOPS files, by the file, where a recipient's service has wrapped them.
    pub fresh_keys: BTreeMap<String, FreshKey>,
    /// The public keys that services publish, by the location that `Preparation::PublicKey` names.
    pub public_keys: BTreeMap<String, PublicKey>,
    /// Why a service that was asked would not take a new credential, or not give a key.
    pub refusals: Vec<String>,
}

impl SealWorkspace {
    pub fn new(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    pub(crate) fn require_file(&self, name: &str) -> Result<&[u8], SealError> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| {
            SealError::in_file(
                name,
                "this file is not on the default branch, which a rotation reads",
                "push it there, or correct the path in the policy file",
            )
        })
    }
}

/// A public key that GitHub gives out for its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PublicKey {
    pub key_id: String,
    /// 32 bytes in Base64.
    pub key: String,
}

/// A new data key of a SOPS file, and the key as AWS KMS has wrapped it for each of its recipients that is a key of KMS,
/// in the order of the file.
#[derive(Debug)]
pub struct FreshKey {
    pub key: DataKey,
    pub wrapped: Vec<Vec<u8>>,
}

/// A key whose holder will be able to decrypt. One that the last rotation did not have is shown in the pull request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Recipient {
    /// `age`, `kms`, `pgp`, `certificate`, `github`, ...
    pub kind: String,
    /// The recipient, the ARN or the fingerprint.
    pub name: String,
    /// Until when it is valid.
    pub until: Option<Timestamp>,
}

impl Recipient {
    pub(crate) fn new(kind: &str, name: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), name: name.into(), until: None }
    }

    /// Identifies the recipient, also when its certificate was renewed for a longer time.
    pub fn kind_and_name(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind_and_name())?;
        self.until.map_or(Ok(()), |until| write!(f, " (valid until {until})"))
    }
}

/// What one destination was given: an entry of the lock file, and what is still to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedDestination {
    /// As the policy file calls it.
    pub kind: &'static str,
    /// The file, or what else distinguishes it from others of its kind.
    pub target: String,
    /// SHA-256 of the access key ID.
    pub key_sha256: String,
    /// What [`super::FileDestination::inspect_file`] says of the file's new bytes; `None` where no file holds the credential.
    pub credential_sha256: Option<String>,
    /// For a store that is no file.
    pub payloads: Vec<SealedPayload>,
}

impl SealedDestination {
    pub(crate) fn new(kind: &'static str, target: impl Into<String>, key_id: &str) -> Self {
        let key_sha256 = crate::hash::sha256_hex(key_id.as_bytes());
        Self { kind, target: target.into(), key_sha256, credential_sha256: None, payloads: Vec::new() }
    }
}

/// One value for GitHub's API: ciphertext only, so it may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPayload {
    /// The name of the secret.
    pub name: String,
    /// The public key that it is sealed for.
    pub key_id: String,
    /// The sealed box in Base64.
    pub encrypted_value: String,
}

impl SealedPayload {
    /// SHA-256 of payloads in their order, in lower-case hexadecimal.
    pub fn digest(payloads: &[Self]) -> String {
        let mut text = String::new();
        // A line feed cannot be in a field, so two lists of payloads never give one text.
        for Self { name, key_id, encrypted_value } in payloads {
            text.push_str(&format!("{name}\n{key_id}\n{encrypted_value}\n"));
        }
        crate::hash::sha256_hex(text.as_bytes())
    }
}

/// Why a destination cannot be sealed. Its texts quote no value of a file that is not known to be public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealError {
    pub file: Option<String>,
    pub at: Option<Position>,
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl SealError {
    pub(crate) fn in_file(file: &str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), at: None, message: what.into(), help: help.into() }
    }

    pub(crate) fn outside_files(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { file: None, at: None, message: what.into(), help: help.into() }
    }

    /// Something that should not be: keytide's own fault, not the file's.
    pub(crate) fn internal_fault(file: &str, what: impl Into<String>) -> Self {
        Self::in_file(file, what, "nothing was changed; please report this")
    }

    /// An error that only the secret itself could resolve, which no longer exists.
    pub(crate) fn secret_is_gone(file: &str, what: impl Into<String>) -> Self {
        Self::in_file(
            file,
            what,
            "the new key cannot be encrypted again, since keytide keeps no secret: another rotation begins, with another key",
        )
    }

    /// A failure to encrypt, of which no library says more.
    pub(crate) fn encryption_failed(file: &str) -> Self {
        Self::in_file(file, "the encryption failed", "nothing was changed; try again")
    }

    pub(crate) fn with_position(mut self, at: Position) -> Self {
        self.at = Some(at);
        self
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(at) = self.at {
                write!(f, "{}:{}:", at.line, at.column)?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for SealError {}
