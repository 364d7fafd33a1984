//! Sends single requests to AWS Secrets Manager; `versions` decides about their order.

use std::error::Error as StdError;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use secrecy::{ExposeSecret as _, SecretString};

use crate::aws::error::{to_backend_error, to_quoting_error};
use crate::destinations::secrets_manager::versions::{StagingLabels, VersionStore};
use crate::live::LiveBackend;
use crate::policy::file::SecretsManager;
use crate::ports::{BackendError, BackendResult, ErrorKind};
use crate::secret::into_secret;

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Codes for a label that is not where it was said to be.
const MOVED: [&str; 2] = ["InvalidParameterException", "InvalidRequestException"];

impl LiveBackend {
    fn secrets_client(&self, secret: &SecretsManager) -> BackendResult<Client> {
        let clients = self.aws_clients()?;
        Ok(clients.regional_client(&secret.region, |config, region| {
            let config = aws_sdk_secretsmanager::config::Builder::from(config).region(region);
            Client::from_conf(config.interceptor(clients.reply_clock()).build())
        }))
    }
}

impl VersionStore for LiveBackend {
    async fn read_labels(&self, secret: &SecretsManager) -> BackendResult<Option<StagingLabels>> {
        const OPERATION: &str = "secretsmanager:DescribeSecret";
        let answer = self.secrets_client(secret)?.describe_secret().secret_id(&secret.secret_id).send().await;
        let answer = match answer.map_err(|error| secrets_manager_error(OPERATION, secret, &error, false)) {
            Ok(answer) => answer,
            Err(BackendError { kind: ErrorKind::NotFound, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        // Every secret has one; without it the reply says nothing about the versions either
        if answer.arn().is_none() {
            let what = format!("{OPERATION}: the reply has no ARN");
            return Err(BackendError::new(ErrorKind::NotApplied, what));
        }
        if answer.deleted_date().is_some() {
            let help = "restore it, or correct the destination";
            let why = secret.seal_error("it is scheduled for deletion", help);
            return Err(BackendError::new(ErrorKind::Rejected, why.to_string()));
        }
        Ok(Some(StagingLabels {
            current: find_version_with_label(&answer, CURRENT),
            pending: find_version_with_label(&answer, PENDING),
            previous: find_version_with_label(&answer, PREVIOUS),
            rotates: answer.rotation_enabled().unwrap_or_default(),
        }))
    }

    async fn list_version_ids(&self, secret: &SecretsManager) -> BackendResult<Vec<String>> {
        const OPERATION: &str = "secretsmanager:ListSecretVersionIds";
        let request = self.secrets_client(secret)?.list_secret_version_ids().secret_id(&secret.secret_id);
        let mut pages = request.include_deprecated(true).into_paginator().send();
        let mut found: Vec<SecretVersionsListEntry> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| secrets_manager_error(OPERATION, secret, &error, false))?;
            found.extend(page.versions.unwrap_or_default());
        }
        // Newest first: the search stops after a number of versions, and a rollback wants a recent one.
        found.sort_by_key(|version| std::cmp::Reverse(version.created_date().map(|date| date.secs())));
        Ok(found.into_iter().filter_map(|version| version.version_id).collect())
    }

    async fn read_version_value(
        &self,
        secret: &SecretsManager,
        version: &str,
    ) -> BackendResult<SecretString> {
        const OPERATION: &str = "secretsmanager:GetSecretValue";
        let request = self.secrets_client(secret)?.get_secret_value().secret_id(&secret.secret_id);
        let answer = request.version_id(version).send().await;
        let answer = answer.map_err(|error| secrets_manager_error(OPERATION, secret, &error, false))?;
        answer.secret_string.map(into_secret).ok_or_else(|| {
            let help = "make it a text, a JSON object with the fields";
            BackendError::new(
                ErrorKind::Rejected,
                secret.seal_error("it holds binary data", help).to_string(),
            )
        })
    }

    /// The name makes a repetition harmless.
    async fn put_version(
        &self,
        secret: &SecretsManager,
        version: &str,
        value: &SecretString,
    ) -> BackendResult<()> {
        const OPERATION: &str = "secretsmanager:PutSecretValue";
        self.server_time.ensure_clocks_agree()?;
        let request = self.secrets_client(secret)?.put_secret_value().secret_id(&secret.secret_id);
        let request = request.client_request_token(version).version_stages(PENDING);
        let sent = request.secret_string(value.expose_secret()).send().await;
        sent.map(drop).map_err(|error| {
            let operation = format!("{OPERATION} `{}`", secret.destination_target());
            with_meaning(true, to_quoting_error(&operation, &error, true))
        })
    }

    /// A repeated request fails, because the label has moved; the labels then show that it is where it should be.
    async fn promote_version(&self, secret: &SecretsManager, version: &str, from: &str) -> BackendResult<()> {
        const OPERATION: &str = "secretsmanager:UpdateSecretVersionStage";
        self.server_time.ensure_clocks_agree()?;
        let request = self.secrets_client(secret)?.update_secret_version_stage().secret_id(&secret.secret_id);
        let request = request.version_stage(CURRENT).move_to_version_id(version).remove_from_version_id(from);
        let Err(error) = request.send().await else { return Ok(()) };
        let failure = secrets_manager_error(OPERATION, secret, &error, true);
        // The code alone can also mean a wrong parameter, so the labels are read again.
        let moved = error.code().is_some_and(|code| MOVED.contains(&code))
            && self.read_labels(secret).await?.is_some_and(|labels| labels.current.as_deref() != Some(from));
        Err(if moved { BackendError { kind: ErrorKind::Conflict, ..failure } } else { failure })
    }
}

fn find_version_with_label(secret: &DescribeSecretOutput, label: &str) -> Option<String> {
    for (version, labels) in secret.version_ids_to_stages()? {
        if labels.iter().any(|one| one == label) {
            return Some(version.clone());
        }
    }
    None
}

/// The error of a request, with the secret that it was about.
fn secrets_manager_error<E>(
    operation: &str,
    secret: &SecretsManager,
    error: &SdkError<E, HttpResponse>,
    writes: bool,
) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let operation = format!("{operation} `{}`", secret.destination_target());
    with_meaning(writes, to_backend_error(&operation, error, writes))
}

/// The error with what it means for a secret.
fn with_meaning(writes: bool, failure: BackendError) -> BackendError {
    if !failure.is_access_denied {
        return failure;
    }
    // What may not be read is not known; what may not be written is refused.
    let outcome = if writes { failure.kind } else { ErrorKind::NotApplied };
    let what = format!("{}; `keytide iam-policy --for rotate` prints the permissions", failure.message);
    BackendError { kind: outcome, message: what, ..failure }
}
