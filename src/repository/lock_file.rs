//! Reads and writes lock files: for each user, digests of the credential that the last rotation wrote to each destination.
//! `check` compares the files of the repository with them, without AWS. They prove nothing: anyone who can commit can edit
//! them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The file on the default branch that stops all writing.
pub const STOP_FILE: &str = ".github/keytide.stop";
/// The folder of all lock files.
pub const LOCK_FOLDER: &str = ".github/keytide";
const LOCK_FILE_SUFFIX: &str = ".lock.json";
/// The version that this keytide writes and reads.
const LOCK_FILE_VERSION: u64 = 1;

/// The lock file of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    pub version: u64,
    pub user: String,
    pub rotated_at: jiff::Timestamp,
    #[serde(default)]
    pub destinations: Vec<LockedDestination>,
}

/// What the last rotation wrote to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedDestination {
    /// The kind, as the policy file calls it.
    pub kind: String,
    /// The file, or the name of the secret.
    pub target: String,
    /// SHA-256 of the access key ID, in lower-case hexadecimal.
    #[serde(default)]
    pub key_sha256: Option<String>,
    /// SHA-256 of the credential's ciphertext.
    #[serde(default)]
    pub credential_sha256: Option<String>,
}

/// Why a lock file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockFileError {
    /// The file itself cannot be read, with the reason.
    Unreadable(String),
    /// The content is not a lock file, with the parser's message.
    Malformed(String),
    UnsupportedVersion(u64),
}

impl fmt::Display for LockFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => f.write_str(reason),
            Self::Malformed(message) => write!(f, "it is not a lock file of keytide ({message})"),
            Self::UnsupportedVersion(version) => {
                write!(f, "unsupported version {version}; this keytide reads version {LOCK_FILE_VERSION}")
            }
        }
    }
}

impl std::error::Error for LockFileError {}

impl LockFile {
    /// Creates the lock file of a rotation.
    pub fn new(user: &str, rotated_at: jiff::Timestamp, destinations: Vec<LockedDestination>) -> Self {
        Self { version: LOCK_FILE_VERSION, user: user.to_owned(), rotated_at, destinations }
    }

    /// Returns the text to commit.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Parses a lock file.
    ///
    /// # Errors
    /// The content is not a lock file, or has another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockFileError> {
        let lock: Self =
            serde_json::from_slice(bytes).map_err(|error| LockFileError::Malformed(error.to_string()))?;
        if lock.version != LOCK_FILE_VERSION {
            return Err(LockFileError::UnsupportedVersion(lock.version));
        }
        Ok(lock)
    }

    /// Returns what the last rotation wrote to a destination.
    pub fn find_destination(&self, kind: &str, target: &str) -> Option<&LockedDestination> {
        self.destinations.iter().find(|locked| locked.kind == kind && locked.target == target)
    }

    /// Whether the key of the last rotation has this digest.
    pub fn contains_key(&self, digest: &str) -> bool {
        self.destinations.iter().any(|locked| locked.key_sha256.as_deref() == Some(digest))
    }

    /// Whether it has the digest of any key.
    pub fn has_key_digests(&self) -> bool {
        self.destinations.iter().any(|locked| locked.key_sha256.is_some())
    }
}

/// Escapes a user name for file names and Git references: bytes other than `A-Za-z0-9_-` become `=HH`.
pub fn escape_user_name(user: &str) -> String {
    let mut escaped = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("={byte:02X}")),
        }
    }
    escaped
}

/// Returns the path of a user's lock file.
pub fn lock_file_path(user: &str) -> String {
    format!("{LOCK_FOLDER}/{}{LOCK_FILE_SUFFIX}", escape_user_name(user))
}

/// Returns the escaped user name in the path of a lock file; `None` when the path is not one.
pub fn escaped_user_from_path(path: &str) -> Option<&str> {
    let name = path.strip_prefix(LOCK_FOLDER)?.strip_prefix('/')?.strip_suffix(LOCK_FILE_SUFFIX)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_escaped_byte_by_byte() {
        assert_eq!(escape_user_name("ci-deployer_2"), "ci-deployer_2");
        assert_eq!(escape_user_name("a.b@c=é"), "a=2Eb=40c=3D=C3=A9");
        assert_eq!(escaped_user_from_path(".github/keytide/a=2Eb.lock.json"), Some("a=2Eb"));
        assert_eq!(escaped_user_from_path(".github/keytide/x/a.lock.json"), None);
    }

    #[test]
    fn a_lock_file_is_read_or_refused_with_a_reason() {
        let text = r#"{"version":1,"user":"ci","rotated_at":"2026-11-21T12:00:00Z","destinations":[
            {"kind":"reference","target":"a.yaml","key_sha256":"00"}],"more":1}"#;
        let lock = LockFile::parse(text.as_bytes()).unwrap();
        assert!(lock.contains_key("00") && lock.find_destination("reference", "a.yaml").is_some());
        assert!(matches!(LockFile::parse(b"{}"), Err(LockFileError::Malformed(_))));
        let later = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(LockFile::parse(later.as_bytes()), Err(LockFileError::UnsupportedVersion(2)));
    }
}
