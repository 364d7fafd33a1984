//! Simulates the requests to Parameter Store: about one parameter that holds JSON, or about one for each value.
//!
//! The simulation keeps what the parameters of a credential hold as one text, of which a request reads or replaces one
//! field: so an application and the checks see values that do not fit.

use secrecy::{ExposeSecret as _, SecretString};

use super::policy::SsmParameter;
use super::requests::{ParameterSettings, ParameterStore, ParameterVersion, ParameterWrite};
use crate::destinations::kind::DestinationKind as _;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::ids;
use crate::secret::into_secret;
use crate::simulator::{PAIR_FIELDS, SMTP_FIELD, SimBackend, SimState, VersionedSecret, no_such_secret};

/// The names under which the simulation keeps a parameter of the policy file.
struct SimulatedParameter {
    place: String,
    pending: String,
    /// Without JSON: the field of the text that the request is about.
    field: Option<&'static str>,
}

impl SimulatedParameter {
    fn new(parameter: &SsmParameter, name: &str) -> Self {
        let place = ids::destination_id(parameter.kind_name(), &parameter.destination_target()).to_string();
        let field = match &parameter.json {
            Some(_) => None,
            None if name == parameter.access_key_id => Some(PAIR_FIELDS[0]),
            None if Some(name) == parameter.ses_smtp_password.as_deref() => Some(SMTP_FIELD),
            None => Some(PAIR_FIELDS[1]),
        };
        Self { place, pending: parameter.pending_name(), field }
    }

    fn is_pending(&self, version: &str) -> bool {
        version.starts_with(&self.pending)
    }

    /// The versions of the parameter or of the pending one, oldest first, with their numbers.
    fn list_versions(&self, stored: &VersionedSecret, pending: bool) -> Vec<ParameterVersion> {
        let own = stored.versions.iter().filter(|(name, _)| self.is_pending(name) == pending);
        own.zip(1..)
            .map(|((_, text), number)| {
                let text = match self.field {
                    Some(field) if !pending => VersionedSecret::field_of(text, field).unwrap_or_default(),
                    _ => text.clone(),
                };
                ParameterVersion { number, text: into_secret(text.to_string()) }
            })
            .collect()
    }

    /// Writes a version, and returns its number.
    fn write_version(&self, body: &mut SimState, pending: bool, text: &str) -> BackendResult<u64> {
        let serial = body.next_serial();
        let stored = body.versioned_secret_mut(&self.place)?;
        if pending {
            stored.append_version(&format!("{}-{serial}", self.pending), text);
        } else {
            match self.field {
                Some(field) => stored.replace_field(&format!("version-{serial}"), field, text),
                None => stored.append_version(&format!("version-{serial}"), text),
            }
            stored.make_newest_current();
        }
        Ok(self.list_versions(stored, pending).len() as u64)
    }
}

impl ParameterStore for SimBackend<'_> {
    async fn read_newest(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterVersion>> {
        let own = SimulatedParameter::new(parameter, name);
        let pending = name == own.pending;
        self.serve_read("ssm:GetParameter", |body| {
            let Ok(stored) = body.versioned_secret(&own.place) else { return Ok(None) };
            Ok(own.list_versions(stored, pending).pop())
        })
        .await
    }

    async fn read_settings(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterSettings>> {
        let own = SimulatedParameter::new(parameter, name);
        self.serve_read("ssm:GetParameterHistory", |body| {
            let settings = ParameterSettings { is_secure: true, ..ParameterSettings::default() };
            Ok(body.versioned_secret(&own.place).ok().map(|_| settings))
        })
        .await
    }

    async fn list_texts(&self, parameter: &SsmParameter, name: &str) -> BackendResult<Vec<ParameterVersion>> {
        let own = SimulatedParameter::new(parameter, name);
        let pending = name == own.pending;
        self.serve_read("ssm:GetParameterHistory", |body| {
            let mut versions = own.list_versions(body.versioned_secret(&own.place)?, pending);
            versions.reverse();
            Ok(versions)
        })
        .await
    }

    async fn put(&self, parameter: &SsmParameter, write: &ParameterWrite<'_>) -> BackendResult<u64> {
        if !write.may_replace {
            return self
                .serve_read("ssm:PutParameter", |_| {
                    Err(BackendError::new(ErrorKind::Conflict, "ParameterAlreadyExists"))
                })
                .await;
        }
        let own = SimulatedParameter::new(parameter, write.name);
        let (pending, text): (bool, SecretString) = (write.name == own.pending, write.text.clone());
        self.serve_write("ssm:PutParameter", move |body: &mut SimState| {
            own.write_version(body, pending, text.expose_secret())
        })
        .await
    }

    async fn delete(&self, parameter: &SsmParameter, name: &str) -> BackendResult<()> {
        let own = SimulatedParameter::new(parameter, name);
        self.serve_write("ssm:DeleteParameter", move |body: &mut SimState| {
            let stored = body.versioned_secret_mut(&own.place)?;
            let before = stored.versions.len();
            stored.versions.retain(|(version, _)| !own.is_pending(version));
            if stored.versions.len() < before { Ok(()) } else { Err(no_such_secret()) }
        })
        .await
    }
}
