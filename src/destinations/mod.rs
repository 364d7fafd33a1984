//! Where applications read the credential: one folder for each kind of destination.
//!
//! Inspection and encryption are pure; only a store's `client.rs` does I/O. [`FileDestination`] inspects a file,
//! `encryption::SealDestination` encrypts a new credential.

#[cfg(feature = "seal")]
pub mod github_secret;
#[cfg(feature = "seal")]
pub mod reference;
#[cfg(feature = "seal")]
pub mod secrets_manager;

pub mod age;
#[cfg(feature = "seal")]
pub mod encryption;
#[cfg(feature = "seal")]
pub mod kind;
pub mod sealed_secret;
pub mod sops;
pub mod suggest;

use crate::diagnostic::Position;
use crate::policy::Destination;

/// A destination that lies in a file of the repository.
pub trait FileDestination {
    /// As the policy file calls it.
    fn kind_name(&self) -> &'static str;

    /// The file that holds the credential, then those that a rotation needs beside it.
    fn required_files(&self) -> Vec<&str>;

    /// The file that holds the credential.
    fn credential_file(&self) -> &str {
        self.required_files().first().copied().unwrap_or_default()
    }

    /// Whether the bytes of that file keep the credential encrypted.
    fn inspect_file(&self, bytes: &[u8]) -> Inspection;
}

/// What a look at a destination's file came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    pub problems: Vec<FileProblem>,
    /// SHA-256 of the credential's ciphertext, which changes with the credential and not with the rest of the file.
    /// `None` when there are problems.
    pub credential_sha256: Option<String>,
}

/// One thing that is wrong with a destination's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    pub kind: ProblemKind,
    pub at: Position,
    pub message: String,
}

/// In which way a destination's file is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// What the policy names is not in it.
    Missing,
    /// It is in clear text, or the encryption is broken.
    Unencrypted,
}

/// The destinations that lie in files; a GitHub secret or a secret of Secrets Manager does not, and a `reference`
/// holds no secret.
pub fn as_file(destination: &Destination) -> Option<&dyn FileDestination> {
    match destination {
        Destination::Sops(sops) => Some(sops),
        Destination::Age(age) => Some(age),
        Destination::SealedSecret(sealed) => Some(sealed),
        Destination::GithubSecret(_) | Destination::SecretsManager(_) | Destination::Reference(_) => None,
    }
}

impl Inspection {
    fn add_missing(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(FileProblem { kind: ProblemKind::Missing, at, message: message.into() });
    }

    fn add_unencrypted(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(FileProblem { kind: ProblemKind::Unencrypted, at, message: message.into() });
    }

    /// Nothing but one problem with the file as a whole.
    fn from_broken_file(at: Position, message: impl Into<String>) -> Self {
        let mut inspection = Self::default();
        inspection.add_unencrypted(at, message);
        inspection
    }

    /// Adds the digest of the ciphertexts, in their order, unless something is wrong.
    fn finish_with_digest(mut self, ciphertexts: &[&str]) -> Self {
        if self.problems.is_empty() {
            self.credential_sha256 = Some(crate::hash::sha256_hex(ciphertexts.join("\n").as_bytes()));
        }
        self
    }
}
