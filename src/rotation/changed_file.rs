//! Recognises by its path what a file of a rotation's pull request holds.

use crate::rotation::{DestinationSnapshot, StorageKind};

/// What a file of the pull request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedFile {
    LockFile,
    Encrypted,
    /// A file of a `reference`: it names the access key ID in clear text.
    Reference,
}

impl ChangedFile {
    pub fn of(path: &str, places: &[DestinationSnapshot]) -> Self {
        if crate::repository::escaped_user_from_path(path).is_some() {
            return Self::LockFile;
        }
        if places.iter().any(|place| is_at(place, path)) { Self::Encrypted } else { Self::Reference }
    }

    /// Whether the pull request brings the file. `is_first`: no rotation of the user was finished before, so there is no
    /// lock file yet.
    pub fn is_new(self, path: &str, places: &[DestinationSnapshot], is_first: bool) -> bool {
        match self {
            Self::LockFile => is_first,
            Self::Encrypted => places.iter().any(|place| is_at(place, path) && place.fingerprint.is_none()),
            // Only a file that names the old key is changed
            Self::Reference => false,
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::LockFile => "lock file used by `keytide check`",
            Self::Encrypted => "the new credential, encrypted",
            Self::Reference => "the new access key ID, in clear text (`reference`)",
        }
    }
}

/// Whether a destination is in a file of this path.
fn is_at(place: &DestinationSnapshot, path: &str) -> bool {
    place.kind == StorageKind::File
        && place.destination.split_once(' ').is_some_and(|(_, target)| target == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_clear_text_and_an_encrypted_file_is_not() {
        let places = [DestinationSnapshot {
            destination: "age a.age".into(),
            kind: StorageKind::File,
            fingerprint: None,
            spec: serde_json::Value::Null,
        }];
        assert_eq!(ChangedFile::of("a.age", &places), ChangedFile::Encrypted);
        assert!(ChangedFile::Encrypted.is_new("a.age", &places, false));
        assert!(!ChangedFile::Reference.is_new("terraform/main.tf", &places, true));
        assert_eq!(ChangedFile::of("terraform/main.tf", &places), ChangedFile::Reference);
        assert_eq!(ChangedFile::of(".github/keytide/ci.lock.json", &places), ChangedFile::LockFile);
    }
}
