//! Simulates the requests to Parameter Store.

use secrecy::{ExposeSecret as _, SecretString};

use super::delivery::{ParameterSettings, ParameterStore, ParameterVersion, ParameterWrite};
use super::policy::SsmParameter;
use crate::destinations::kind::DestinationKind as _;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::rotation::ids;
use crate::secret::into_secret;
use crate::simulator::{SimBackend, SimState, VersionedSecret, no_such_secret};

/// The name under which the simulation keeps the parameter.
fn simulated_name(parameter: &SsmParameter) -> String {
    ids::destination_id(parameter.kind_name(), &parameter.destination_target()).to_string()
}

/// The versions of the parameter itself, oldest first, with their numbers.
fn numbered_versions(vault: &VersionedSecret, pending: &str) -> Vec<ParameterVersion> {
    let own = vault.versions.iter().filter(|(name, _)| **name != *pending);
    own.zip(1..)
        .map(|((_, text), number)| ParameterVersion { number, text: into_secret(text.to_string()) })
        .collect()
}

impl ParameterStore for SimBackend<'_> {
    async fn read_newest(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterVersion>> {
        let (own, pending) = (simulated_name(parameter), parameter.pending_name());
        self.serve_read("ssm:GetParameter", |body| {
            let Ok(vault) = body.versioned_secret(&own) else { return Ok(None) };
            if name == pending {
                let text = vault.version_text(&pending);
                return Ok(
                    text.map(|text| ParameterVersion { number: 1, text: into_secret(text.to_string()) })
                );
            }
            Ok(numbered_versions(vault, &pending).pop())
        })
        .await
    }

    async fn read_settings(&self, parameter: &SsmParameter) -> BackendResult<Option<ParameterSettings>> {
        let own = simulated_name(parameter);
        self.serve_read("ssm:GetParameterHistory", |body| {
            let settings = ParameterSettings { is_secure: true, ..ParameterSettings::default() };
            Ok(body.versioned_secret(&own).ok().map(|_| settings))
        })
        .await
    }

    async fn list_texts(&self, parameter: &SsmParameter) -> BackendResult<Vec<ParameterVersion>> {
        let (own, pending) = (simulated_name(parameter), parameter.pending_name());
        self.serve_read("ssm:GetParameterHistory", |body| {
            let mut versions = numbered_versions(body.versioned_secret(&own)?, &pending);
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
        let (own, pending) = (simulated_name(parameter), parameter.pending_name());
        let (name, text): (String, SecretString) = (write.name.to_owned(), write.text.clone());
        self.serve_write("ssm:PutParameter", move |body: &mut SimState| {
            let serial = body.next_serial();
            let vault = body.versioned_secret_mut(&own)?;
            if name == pending {
                vault.remove_version(&pending);
                vault.append_version(&pending, text.expose_secret());
                return Ok(1);
            }
            vault.append_version(&format!("version-{serial}"), text.expose_secret());
            vault.make_newest_current();
            Ok(numbered_versions(vault, &pending).len() as u64)
        })
        .await
    }

    async fn delete(&self, parameter: &SsmParameter, _: &str) -> BackendResult<()> {
        let (own, pending) = (simulated_name(parameter), parameter.pending_name());
        self.serve_write("ssm:DeleteParameter", move |body: &mut SimState| {
            let vault = body.versioned_secret_mut(&own)?;
            if vault.remove_version(&pending) { Ok(()) } else { Err(no_such_secret()) }
        })
        .await
    }
}
