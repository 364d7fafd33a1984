//! Defines the result of an inspection of a destination's file: its problems, or the digest of the credential's
//! ciphertext.

use crate::diagnostic::Position;

/// How many problems of one file are listed: a file can repeat one in every line.
const MAX_PROBLEMS: usize = 100;

/// The result of an inspection of a destination's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    pub problems: Vec<FileProblem>,
    /// SHA-256 of the credential's ciphertext, which changes with the credential and not with the rest of the file.
    /// `None` when there are problems, but for a file that is only incomplete.
    pub credential_sha256: Option<String>,
}

/// One problem of a destination's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    pub kind: ProblemKind,
    pub at: Position,
    pub message: String,
}

/// The kind of a problem; each kind has its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The file does not have what the policy file names.
    Missing,
    /// The credential is in plaintext, or the next edit writes it so.
    Unencrypted,
    /// The file cannot be read as an encrypted file, so whether the credential is encrypted is not known.
    Invalid,
    /// The file lacks what its tool writes into every file, as an example does. No rotation takes it.
    Incomplete,
}

impl Inspection {
    pub fn add_missing(&mut self, at: Position, message: impl Into<String>) {
        self.add_problem(ProblemKind::Missing, at, message.into());
    }

    pub fn add_unencrypted(&mut self, at: Position, message: impl Into<String>) {
        self.add_problem(ProblemKind::Unencrypted, at, message.into());
    }

    pub fn add_invalid(&mut self, at: Position, message: impl Into<String>) {
        self.add_problem(ProblemKind::Invalid, at, message.into());
    }

    pub fn add_incomplete(&mut self, at: Position, message: impl Into<String>) {
        self.add_problem(ProblemKind::Incomplete, at, message.into());
    }

    fn add_problem(&mut self, kind: ProblemKind, at: Position, message: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(FileProblem { kind, at, message });
        }
    }

    /// The only problem: the file is in plaintext.
    pub fn from_plaintext(at: Position, message: impl Into<String>) -> Self {
        let mut inspection = Self::default();
        inspection.add_unencrypted(at, message);
        inspection
    }

    /// The only problem: the file cannot be read as an encrypted file.
    pub fn from_invalid_file(at: Position, message: impl Into<String>) -> Self {
        let mut inspection = Self::default();
        inspection.add_invalid(at, message);
        inspection
    }

    /// Adds the digest of the ciphertexts, in their order, unless there are problems.
    pub fn finish_with_digest(mut self, ciphertexts: &[&str]) -> Self {
        if self.problems.iter().all(|problem| problem.kind == ProblemKind::Incomplete) {
            self.credential_sha256 = Some(crate::hash::sha256_hex(ciphertexts.join("\n").as_bytes()));
        }
        self
    }
}
