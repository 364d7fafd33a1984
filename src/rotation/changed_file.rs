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
        let is_encrypted = places.iter().any(|place| {
            place.kind == StorageKind::File
                && place.destination.split_once(' ').is_some_and(|(_, target)| target == path)
        });
        if is_encrypted { Self::Encrypted } else { Self::Reference }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::LockFile => "lock file used by `keytide check`",
            Self::Encrypted => "the new credential, encrypted",
            Self::Reference => "the new access key ID, in clear text (`reference`)",
        }
    }
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
        assert_eq!(ChangedFile::of("terraform/main.tf", &places), ChangedFile::Reference);
        assert_eq!(ChangedFile::of(".github/keytide/ci.lock.json", &places), ChangedFile::LockFile);
    }
}
