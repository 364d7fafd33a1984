//! A secret of the simulated Secrets Manager: versions that never change, and the labels that select one of them.

use std::rc::Rc;

use super::keyring::CredentialPair;
use crate::destinations::secrets_manager::versions::StagingLabels;
use crate::ports::{BackendError, BackendResult, ErrorKind};

/// The fields of the credential in a versioned secret.
pub const FIELDS: [&str; 2] = ["key_id", "secret"];
/// The field of another writer in the same secret.
const FOREIGN_FIELD: &str = "others";

/// A secret with its versions.
#[derive(Clone, Default)]
pub struct VersionedSecret {
    /// Name and text of each version, the oldest first.
    versions: Vec<(Rc<str>, Rc<str>)>,
    current: Option<Rc<str>>,
    pending: Option<Rc<str>>,
    previous: Option<Rc<str>>,
}

impl VersionedSecret {
    pub fn version_text(&self, version: &str) -> Option<&Rc<str>> {
        self.versions.iter().find(|(name, _)| **name == *version).map(|(_, text)| text)
    }

    /// The names of the versions, the newest first.
    pub fn version_ids(&self) -> Vec<String> {
        self.versions.iter().rev().map(|(name, _)| name.to_string()).collect()
    }

    pub fn staging_labels(&self) -> StagingLabels {
        StagingLabels {
            current: self.current.as_deref().map(str::to_owned),
            pending: self.pending.as_deref().map(str::to_owned),
            previous: self.previous.as_deref().map(str::to_owned),
            rotates: false,
        }
    }

    /// A field of the current version.
    fn current_field(&self, name: &str) -> Option<Rc<str>> {
        let text = self.version_text(self.current.as_deref()?)?;
        let fields: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(fields[name].as_str()?.into())
    }

    pub fn current_credential(&self) -> Option<CredentialPair> {
        Some((self.current_field(FIELDS[0])?, self.current_field(FIELDS[1])?))
    }

    /// What another writer keeps next to the credential.
    pub fn foreign_field(&self) -> Option<Rc<str>> {
        self.current_field(FOREIGN_FIELD)
    }

    /// Writes all fields, as people do: the new version is current at once.
    pub fn write_version(&mut self, name: String, (id, secret): &CredentialPair, foreign: &str) {
        let [id_field, secret_field] = FIELDS;
        let text = format!(
            "{{\"{FOREIGN_FIELD}\": \"{foreign}\", \"{id_field}\": \"{id}\", \"{secret_field}\": \"{secret}\"}}"
        );
        let name: Rc<str> = name.into();
        self.versions.push((name.clone(), text.into()));
        self.previous = self.current.replace(name);
    }

    /// Adds a version that is not current yet.
    pub fn put_version(&mut self, version: &str, text: &str) -> BackendResult<()> {
        match self.version_text(version) {
            Some(known) if **known == *text => Ok(()),
            Some(_) => Err(rejection("ResourceExistsException: a version is never changed")),
            None => {
                self.versions.push((version.into(), text.into()));
                self.pending = Some(version.into());
                Ok(())
            }
        }
    }

    /// Makes a version current, if the current one is still `from`.
    pub fn promote_version(&mut self, version: &str, from: &str) -> BackendResult<()> {
        if self.current.as_deref() != Some(from) {
            return Err(BackendError::new(ErrorKind::Conflict, "another version is current"));
        }
        if self.version_text(version).is_none() {
            return Err(rejection("there is no such version"));
        }
        self.previous = self.current.replace(version.into());
        Ok(())
    }
}

fn rejection(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Rejected, what)
}
