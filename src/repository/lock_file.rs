//! Lock files: which credential keytide's last rotation of a user put where. An index for offline checks, no proof.

use serde::{Deserialize, Serialize};

/// The folder of the lock files.
pub const LOCK_FOLDER: &str = ".github/keytide";
const LOCK_FILE_SUFFIX: &str = ".lock.json";
/// The version that is written today.
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

/// What one destination was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedDestination {
    /// As the policy calls it: `sops`, `age`, `sealed_secret`, `reference`, ...
    pub kind: String,
    /// The file, or what else tells it apart.
    pub target: String,
    /// SHA-256 of the access key ID, in lower-case hexadecimal.
    #[serde(default)]
    pub key_sha256: Option<String>,
    /// SHA-256 of the credential's ciphertext.
    #[serde(default)]
    pub credential_sha256: Option<String>,
}

impl LockFile {
    /// What a rotation put where.
    pub fn new(user: &str, rotated_at: jiff::Timestamp, destinations: Vec<LockedDestination>) -> Self {
        Self { version: LOCK_FILE_VERSION, user: user.to_owned(), rotated_at, destinations }
    }

    /// As it is committed.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// Says in half a sentence why it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let lock: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is no lock file of keytide ({error})"))?;
        if lock.version != LOCK_FILE_VERSION {
            return Err(format!(
                "it has version {}, and this keytide knows version {LOCK_FILE_VERSION}",
                lock.version
            ));
        }
        Ok(lock)
    }

    /// What the last rotation put into a destination.
    pub fn find_destination(&self, kind: &str, target: &str) -> Option<&LockedDestination> {
        self.destinations.iter().find(|locked| locked.kind == kind && locked.target == target)
    }

    /// Whether the last rotation's key has this digest.
    pub fn contains_key(&self, digest: &str) -> bool {
        self.destinations.iter().any(|locked| locked.key_sha256.as_deref() == Some(digest))
    }

    /// Whether it tells anything about keys.
    pub fn has_key_digests(&self) -> bool {
        self.destinations.iter().any(|locked| locked.key_sha256.is_some())
    }
}

/// A user name as a part of a file name or a git reference: other bytes than `A-Za-z0-9_-` become `=HH`.
pub fn escape_user_name(user: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("={byte:02X}"),
    };
    user.bytes().map(byte).collect()
}

/// The path of a user's lock file.
pub fn lock_file_path(user: &str) -> String {
    format!("{LOCK_FOLDER}/{}{LOCK_FILE_SUFFIX}", escape_user_name(user))
}

/// The escaped user of a lock file's path; `None` when the path is no lock file's.
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
        assert!(LockFile::parse(b"{}").unwrap_err().contains("no lock file"));
        assert!(
            LockFile::parse(text.replace("\"version\":1", "\"version\":2").as_bytes())
                .unwrap_err()
                .contains("version 2")
        );
    }
}
