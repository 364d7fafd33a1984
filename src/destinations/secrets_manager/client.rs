//! AWS Secrets Manager: the single requests that [`crate::destinations::secrets_manager::versions`] puts a delivery together from.

use std::error::Error as StdError;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use secrecy::{ExposeSecret as _, SecretString};

use crate::aws::rotation::failure;
use crate::destinations::secrets_manager::versions::{Labels, Versions};
use crate::live::Service;
use crate::policy::file::SecretsManager;
use crate::ports::{Answer, Failure, Outcome};
use crate::secret::into_secret;

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Codes whose words may quote what was sent.
const QUOTING: [&str; 3] = ["ValidationException", "InvalidParameterException", "SerializationException"];
/// Codes for a label that is not where it was said to be.
const MOVED: [&str; 2] = ["InvalidParameterException", "InvalidRequestException"];

impl Service {
    fn secrets(&self, secret: &SecretsManager) -> Answer<Client> {
        Ok(self.aws()?.secrets(&secret.region))
    }
}

impl Versions for Service {
    async fn labels(&self, secret: &SecretsManager) -> Answer<Option<Labels>> {
        const OPERATION: &str = "secretsmanager:DescribeSecret";
        let answer = self.secrets(secret)?.describe_secret().secret_id(&secret.secret_id).send().await;
        let answer = match answer.map_err(|error| told(OPERATION, secret, &error, false)) {
            Ok(answer) => answer,
            Err(Failure { outcome: Outcome::Missing, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if answer.deleted_date().is_some() {
            let help = "restore it, or correct the destination";
            let why = secret.refusal("it is scheduled for deletion", help);
            return Err(Failure::new(Outcome::Refused, why.to_string()));
        }
        let versions = answer.version_ids_to_stages();
        let bearer = |label: &str| {
            let mut all = versions.into_iter().flatten();
            let found = all.find(|(_, labels)| labels.iter().any(|one| one == label));
            found.map(|(version, _)| version.clone())
        };
        Ok(Some(Labels {
            current: bearer(CURRENT),
            pending: bearer(PENDING),
            previous: bearer(PREVIOUS),
            rotates: answer.rotation_enabled().unwrap_or_default(),
        }))
    }

    async fn names(&self, secret: &SecretsManager) -> Answer<Vec<String>> {
        const OPERATION: &str = "secretsmanager:ListSecretVersionIds";
        let request = self.secrets(secret)?.list_secret_version_ids().secret_id(&secret.secret_id);
        let mut pages = request.include_deprecated(true).into_paginator().send();
        let mut found: Vec<SecretVersionsListEntry> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| told(OPERATION, secret, &error, false))?;
            found.extend(page.versions.unwrap_or_default());
        }
        found.sort_by_key(|version| std::cmp::Reverse(version.created_date().map(|date| date.secs())));
        Ok(found.into_iter().filter_map(|version| version.version_id).collect())
    }

    async fn value(&self, secret: &SecretsManager, version: &str) -> Answer<SecretString> {
        const OPERATION: &str = "secretsmanager:GetSecretValue";
        let request = self.secrets(secret)?.get_secret_value().secret_id(&secret.secret_id);
        let answer = request.version_id(version).send().await;
        let answer = answer.map_err(|error| told(OPERATION, secret, &error, false))?;
        answer.secret_string.map(into_secret).ok_or_else(|| {
            let help = "make it a text, a JSON object with the two fields";
            Failure::new(Outcome::Refused, secret.refusal("it holds binary data", help).to_string())
        })
    }

    /// The name makes a repetition harmless.
    async fn put(&self, secret: &SecretsManager, version: &str, value: &SecretString) -> Answer<()> {
        const OPERATION: &str = "secretsmanager:PutSecretValue";
        self.time.agree()?;
        let request = self.secrets(secret)?.put_secret_value().secret_id(&secret.secret_id);
        let request = request.client_request_token(version).version_stages(PENDING);
        let sent = request.secret_string(value.expose_secret()).send().await;
        sent.map(drop).map_err(|error| {
            let failure = told(OPERATION, secret, &error, true);
            match error.code() {
                Some(code) if QUOTING.contains(&code) => {
                    let what = format!("{OPERATION} `{}`: {code}", secret.target());
                    Failure { what, ..failure }
                }
                _ => failure,
            }
        })
    }

    /// A repetition finds the label moved already: whoever then looks sees that.
    async fn promote(&self, secret: &SecretsManager, version: &str, from: &str) -> Answer<()> {
        const OPERATION: &str = "secretsmanager:UpdateSecretVersionStage";
        self.time.agree()?;
        let request = self.secrets(secret)?.update_secret_version_stage().secret_id(&secret.secret_id);
        let request = request.version_stage(CURRENT).move_to_version_id(version).remove_from_version_id(from);
        let Err(error) = request.send().await else { return Ok(()) };
        let failure = told(OPERATION, secret, &error, true);
        let moved = error.code().is_some_and(|code| MOVED.contains(&code))
            && self.labels(secret).await?.is_some_and(|labels| labels.current.as_deref() != Some(from));
        Err(if moved { Failure { outcome: Outcome::Conflict, ..failure } } else { failure })
    }
}

/// What an error tells of a request, and which secret it was about.
fn told<E>(
    operation: &str,
    secret: &SecretsManager,
    error: &SdkError<E, HttpResponse>,
    writes: bool,
) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let failure = failure(&format!("{operation} `{}`", secret.target()), error, writes);
    let denied = error.code().is_some_and(|code| code.starts_with("AccessDenied"));
    if !denied {
        return failure;
    }
    // What may not be read is not known; what may not be written is refused.
    let outcome = if writes { failure.outcome } else { Outcome::NotDone };
    let what = format!("{}; `keytide iam-policy --for rotate` prints the permissions", failure.what);
    Failure { outcome, what }
}
