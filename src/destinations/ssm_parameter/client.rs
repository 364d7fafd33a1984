//! Sends the requests to AWS Systems Manager Parameter Store.

use std::error::Error as StdError;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::{ParameterHistory, ParameterTier, ParameterType};
use secrecy::ExposeSecret as _;

use super::policy::SsmParameter;
use super::requests::{ParameterSettings, ParameterStore, ParameterVersion, ParameterWrite};
use crate::aws::error::{to_backend_error, to_quoting_error};
use crate::live::LiveBackend;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::secret::into_secret;

impl LiveBackend {
    fn parameter_client(&self, parameter: &SsmParameter) -> BackendResult<Client> {
        let clients = self.aws_clients()?;
        Ok(clients.regional_client(&parameter.region, |config, region| {
            let config = aws_sdk_ssm::config::Builder::from(config).region(region);
            Client::from_conf(config.interceptor(clients.reply_clock()).build())
        }))
    }

    /// All versions that Parameter Store keeps, oldest first; `None`: there is no such parameter.
    async fn read_history(
        &self,
        parameter: &SsmParameter,
        name: &str,
        with_decryption: bool,
    ) -> BackendResult<Option<Vec<ParameterHistory>>> {
        let request = self.parameter_client(parameter)?.get_parameter_history().name(name);
        let mut pages = request.with_decryption(with_decryption).into_paginator().send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            match page.map_err(|error| ssm_error("ssm:GetParameterHistory", parameter, &error, false)) {
                Ok(page) => versions.extend(page.parameters.unwrap_or_default()),
                Err(BackendError { kind: ErrorKind::NotFound, .. }) => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        // The API does not promise an order.
        versions.sort_by_key(ParameterHistory::version);
        Ok(Some(versions))
    }
}

impl ParameterStore for LiveBackend {
    async fn read_newest(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterVersion>> {
        const OPERATION: &str = "ssm:GetParameter";
        let request = self.parameter_client(parameter)?.get_parameter().name(name).with_decryption(true);
        let reply = request.send().await.map_err(|error| ssm_error(OPERATION, parameter, &error, false));
        let found = match reply {
            Ok(reply) => reply.parameter,
            Err(BackendError { kind: ErrorKind::NotFound, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let number = found.as_ref().and_then(|found| version_number(found.version()));
        let text = found.and_then(|found| found.value).map(into_secret);
        let (Some(number), Some(text)) = (number, text) else {
            let what = format!("{OPERATION}: the reply has no version or no value");
            return Err(BackendError::new(ErrorKind::NotApplied, what));
        };
        Ok(Some(ParameterVersion { number, text }))
    }

    async fn read_settings(
        &self,
        parameter: &SsmParameter,
        name: &str,
    ) -> BackendResult<Option<ParameterSettings>> {
        let versions = self.read_history(parameter, name, false).await?;
        let Some(newest) = versions.and_then(|mut versions| versions.pop()) else { return Ok(None) };
        Ok(Some(ParameterSettings {
            is_secure: newest.r#type() == Some(&ParameterType::SecureString),
            is_list: newest.r#type() == Some(&ParameterType::StringList),
            key_id: newest.key_id,
            tier: newest.tier.map(|tier| tier.as_str().to_owned()),
            description: newest.description,
            allowed_pattern: newest.allowed_pattern,
        }))
    }

    async fn list_texts(&self, parameter: &SsmParameter, name: &str) -> BackendResult<Vec<ParameterVersion>> {
        let mut texts = Vec::new();
        // Newest first: a rollback wants a recent version.
        for version in self.read_history(parameter, name, true).await?.unwrap_or_default().into_iter().rev() {
            if let (Some(number), Some(text)) = (version_number(version.version()), version.value) {
                texts.push(ParameterVersion { number, text: into_secret(text) });
            }
        }
        Ok(texts)
    }

    async fn put(&self, parameter: &SsmParameter, write: &ParameterWrite<'_>) -> BackendResult<u64> {
        const OPERATION: &str = "ssm:PutParameter";
        self.server_time.ensure_clocks_agree()?;
        let settings = write.settings;
        // Only the parameter of an access key ID alone may be in plaintext, and stays as it is.
        let kind = if settings.is_secure { ParameterType::SecureString } else { ParameterType::String };
        // Tags and parameter policies stay without being sent. The KMS key and the tier would become the account's
        // default ones.
        let request = self
            .parameter_client(parameter)?
            .put_parameter()
            .name(write.name)
            .value(write.text.expose_secret())
            .r#type(kind)
            .set_key_id(settings.key_id.clone())
            .set_tier(settings.tier.as_deref().map(ParameterTier::from))
            .set_description(settings.description.clone())
            .set_allowed_pattern(settings.allowed_pattern.clone())
            .overwrite(write.may_replace);
        let reply = request.send().await.map_err(|error| {
            let operation = format!("{OPERATION} `{}`", parameter.destination_target());
            with_meaning(error.code(), true, to_quoting_error(&operation, &error, true))
        })?;
        version_number(reply.version()).ok_or_else(|| {
            BackendError::new(ErrorKind::Indeterminate, format!("{OPERATION}: the reply has no version"))
        })
    }

    async fn delete(&self, parameter: &SsmParameter, name: &str) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let request = self.parameter_client(parameter)?.delete_parameter().name(name);
        let reply = request.send().await;
        reply.map(|_| ()).map_err(|error| ssm_error("ssm:DeleteParameter", parameter, &error, true))
    }
}

/// The number of a version. The first one has the number 1; for a reply without a number the SDK gives 0.
fn version_number(version: i64) -> Option<u64> {
    u64::try_from(version).ok().filter(|number| *number > 0)
}

/// The error of a request, with the parameter that it was about.
fn ssm_error<E>(
    operation: &str,
    parameter: &SsmParameter,
    error: &SdkError<E, HttpResponse>,
    writes: bool,
) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let operation = format!("{operation} `{}`", parameter.destination_target());
    with_meaning(error.code(), writes, to_backend_error(&operation, error, writes))
}

/// The error with what its code means for a parameter.
fn with_meaning(code: Option<&str>, writes: bool, failure: BackendError) -> BackendError {
    let Some(code) = code else { return failure };
    let kind = match code {
        "ParameterNotFound" => ErrorKind::NotFound,
        // Of other things than the parameter: it is not absent.
        "ParameterVersionNotFound" | "ResourceNotFoundException" => ErrorKind::NotApplied,
        "ParameterAlreadyExists" => ErrorKind::Conflict,
        "TooManyUpdates" => ErrorKind::NotApplied,
        // What may not be read is not known; what may not be written is refused.
        _ if failure.is_access_denied && !writes => ErrorKind::NotApplied,
        _ => failure.kind,
    };
    let mut message = failure.message;
    if failure.is_access_denied {
        message.push_str("; `keytide iam-policy --for rotate` prints the permissions");
    }
    BackendError { kind, message, ..failure }
}
