//! Simulates what a store with versions holds: JSON texts in which others write too.

use std::rc::Rc;

use super::keyring::CredentialPair;
use crate::ports::{BackendError, BackendResult, ErrorKind};

/// The fields of a versioned secret: the credential's, and one of others.
pub const FIELDS: [&str; 2] = ["key_id", "secret"];
/// The field of an SMTP password beside them.
pub const SMTP_FIELD: &str = "smtp_password";
const OTHERS: &str = "others";

/// A JSON text in a store that keeps versions.
#[derive(Clone, Default)]
pub struct VersionedSecret {
    /// Each with its name, oldest first.
    pub versions: Vec<(Rc<str>, Rc<str>)>,
    pub current: Option<Rc<str>>,
    pub pending: Option<Rc<str>>,
    pub previous: Option<Rc<str>>,
}

impl VersionedSecret {
    pub fn version_text(&self, version: &str) -> Option<&Rc<str>> {
        self.versions.iter().find(|(name, _)| **name == *version).map(|(_, text)| text)
    }

    /// A field of the current version.
    fn current_field(&self, name: &str) -> Option<Rc<str>> {
        Self::field_of(self.version_text(self.current.as_deref()?)?, name)
    }

    /// A field of a version's text.
    pub fn field_of(text: &str, name: &str) -> Option<Rc<str>> {
        let fields: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(fields[name].as_str()?.into())
    }

    /// Adds a version that differs from the current one in one field.
    pub fn replace_field(&mut self, version: &str, name: &str, value: &str) {
        let current = self.current.as_deref().and_then(|current| self.version_text(current));
        let mut fields: serde_json::Value =
            current.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        fields[name] = value.into();
        self.append_version(version, &fields.to_string());
    }

    /// Puts back the secret access key of the former version, as a tool does that writes what it has: beside another access
    /// key ID it does not fit.
    pub fn revert_secret(&mut self, version: &str) {
        let former = self.previous.as_deref().and_then(|name| self.version_text(name));
        if let Some(secret) = former.and_then(|text| Self::field_of(text, FIELDS[1])) {
            self.replace_field(version, FIELDS[1], &secret);
            self.make_newest_current();
        }
    }

    pub fn current_credential(&self) -> Option<CredentialPair> {
        Some((self.current_field(FIELDS[0])?, self.current_field(FIELDS[1])?))
    }

    /// The SMTP password beside the credential.
    pub fn smtp_password(&self) -> Option<Rc<str>> {
        self.current_field(SMTP_FIELD)
    }

    /// The field of others, beside the credential.
    pub fn foreign_field(&self) -> Option<Rc<str>> {
        self.current_field(OTHERS)
    }

    /// Another writer changes its field, and leaves the rest as it is.
    pub fn edit_foreign_field(&mut self, version: &str, others: &str) {
        self.replace_field(version, OTHERS, others);
        self.make_newest_current();
    }

    /// Writes all fields, as people do it: the new version is current at once.
    pub fn write_version(&mut self, name: String, (id, secret): &CredentialPair, others: &str) {
        let [id_field, secret_field] = FIELDS;
        let text = format!(
            "{{\"{OTHERS}\": \"{others}\", \"{id_field}\": \"{id}\", \"{secret_field}\": \"{secret}\"}}"
        );
        let name: Rc<str> = name.into();
        self.versions.push((name.clone(), text.into()));
        self.previous = self.current.replace(name);
    }

    /// Adds a version that is not current.
    pub fn append_version(&mut self, name: &str, text: &str) {
        self.versions.push((name.into(), text.into()));
    }

    /// Removes a version; `false` when there is none of this name.
    pub fn remove_version(&mut self, name: &str) -> bool {
        let before = self.versions.len();
        self.versions.retain(|(known, _)| **known != *name);
        self.versions.len() < before
    }

    /// For a store whose newest version is always the current one.
    pub fn make_newest_current(&mut self) {
        let newest = self.versions.last().map(|(name, _)| name.clone());
        self.previous = std::mem::replace(&mut self.current, newest);
    }

    pub fn put_version(&mut self, version: &str, text: &str) -> BackendResult<()> {
        match self.version_text(version) {
            Some(known) if **known == *text => Ok(()),
            Some(_) => Err(rejected("ResourceExistsException: a version is never changed")),
            None => {
                self.versions.push((version.into(), text.into()));
                self.pending = Some(version.into());
                Ok(())
            }
        }
    }

    pub fn promote_version(&mut self, version: &str, from: &str) -> BackendResult<()> {
        if self.current.as_deref() != Some(from) {
            return Err(BackendError::new(ErrorKind::Conflict, "another version is current"));
        }
        if self.version_text(version).is_none() {
            return Err(rejected("there is no such version"));
        }
        self.previous = self.current.replace(version.into());
        Ok(())
    }
}

fn rejected(what: &str) -> BackendError {
    BackendError::new(ErrorKind::Rejected, what)
}
