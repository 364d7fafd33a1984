//! IAM and STS for a run that writes, and the way to AWS's other services.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{StatusType, Tag};
use jiff::Timestamp;

use crate::aws::connect::explain_sdk_error;
use crate::iam::non_empty;
use crate::live::LiveBackend;
use crate::ports::{
    BackendError, BackendResult, CallerIdentity, ErrorKind, IamRead, IamUser, IamWrite, KeyTags, ListedKey,
};
use crate::rotation::{KeyState, KeyUse};
use crate::secret::Credential;
use crate::system::server_time::{ServerTime, TimeSource};

/// The way to AWS.
pub struct AwsClients {
    config: SdkConfig,
    iam: Client,
    /// Of each region, made when it is needed.
    secrets: RefCell<BTreeMap<String, aws_sdk_secretsmanager::Client>>,
    time: Arc<ServerTime>,
}

impl AwsClients {
    pub fn new(config: SdkConfig, time: Arc<ServerTime>) -> Self {
        let clock = ReplyDate(time.clone());
        let iam = crate::aws::connect::iam_with(&config, |builder| builder.interceptor(clock));
        Self { config, iam, secrets: RefCell::default(), time }
    }

    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// What every client of AWS is given, so that its replies tell the time.
    pub fn reply_clock(&self) -> ReplyDate {
        ReplyDate(self.time.clone())
    }

    /// Secrets Manager in a region.
    pub fn secrets_manager_client(&self, region: &str) -> aws_sdk_secretsmanager::Client {
        let make = || {
            let config = aws_sdk_secretsmanager::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .interceptor(self.reply_clock());
            aws_sdk_secretsmanager::Client::from_conf(config.build())
        };
        self.secrets.borrow_mut().entry(region.to_owned()).or_insert_with(make).clone()
    }

    /// STS as the bearer of a credential sees it. Asked once: whoever asks knows how long to go on.
    fn sts_client(&self, credential: &Credential) -> aws_sdk_sts::Client {
        let keys = Credentials::new(
            credential.access_key_id(),
            credential.expose_secret(),
            None,
            None,
            "the new access key",
        );
        let config = aws_sdk_sts::config::Builder::from(&self.config)
            .credentials_provider(keys)
            .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .interceptor(self.reply_clock())
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }
}

/// Takes the time from every reply.
#[derive(Debug)]
pub struct ReplyDate(Arc<ServerTime>);

impl Intercept for ReplyDate {
    fn name(&self) -> &'static str {
        "the date of the reply"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.0.record_date(TimeSource::Aws, date);
        }
        Ok(())
    }
}

/// What an error tells of a request. `writes`: it may have done something when nobody says that it has not.
pub fn to_backend_error<E>(operation: &str, error: &SdkError<E, HttpResponse>, writes: bool) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let lost = if writes { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
    let outcome = match error {
        SdkError::ConstructionFailure(_) => ErrorKind::NotApplied,
        // Without credentials nothing is sent.
        SdkError::DispatchFailure(failure) if failure.is_user() => ErrorKind::NotApplied,
        SdkError::ServiceError(inner) => match inner.err().code() {
            _ if inner.raw().status().is_server_error() => lost,
            Some(code) => of_code(code),
            None => lost,
        },
        _ => lost,
    };
    BackendError::new(outcome, format!("{operation}: {}", explain_sdk_error(error)))
}

/// What a refusal of AWS's means (the service models, and the codes that all services share).
fn of_code(code: &str) -> ErrorKind {
    match code {
        "NoSuchEntity" | "ResourceNotFoundException" => ErrorKind::NotFound,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "BandwidthLimitExceeded" => ErrorKind::NotApplied,
        "EntityTemporarilyUnmodifiable" | "ConcurrentModification" => ErrorKind::NotApplied,
        // The run's own credentials have ended, or are not known everywhere yet: another run has others.
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException" => ErrorKind::NotApplied,
        _ => ErrorKind::Rejected,
    }
}

fn unexpected_reply(operation: &str, what: &str, writes: bool) -> BackendError {
    let outcome = if writes { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
    BackendError::new(outcome, format!("{operation}: {what}"))
}

fn to_timestamp(date: &aws_sdk_iam::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}

impl IamRead for LiveBackend {
    async fn get_user(&self, name: &str) -> BackendResult<Option<IamUser>> {
        const OPERATION: &str = "iam:GetUser";
        let answer = match self.aws_clients()?.iam.get_user().user_name(name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failure = to_backend_error(OPERATION, &error, false);
                return if failure.kind == ErrorKind::NotFound { Ok(None) } else { Err(failure) };
            }
        };
        let user = answer.user().filter(|user| user.user_name() == name);
        let user = user.ok_or_else(|| unexpected_reply(OPERATION, "the answer names another user", false))?;
        let tags: BTreeMap<String, String> =
            user.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(Some(IamUser { id: user.user_id().into(), arn: user.arn().to_owned(), tags }))
    }

    async fn list_access_keys(&self, name: &str) -> BackendResult<Vec<ListedKey>> {
        const OPERATION: &str = "iam:ListAccessKeys";
        let mut pages = self.aws_clients()?.iam.list_access_keys().user_name(name).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| to_backend_error(OPERATION, &error, false))?;
            if page.is_truncated() && page.marker().is_none() {
                return Err(unexpected_reply(OPERATION, "a page is missing", false));
            }
            for key in page.access_key_metadata() {
                let created = key.create_date().and_then(to_timestamp);
                let (Some(id), Some(status), Some(created)) = (key.access_key_id(), key.status(), created)
                else {
                    return Err(unexpected_reply(OPERATION, "a key without ID, status or date", false));
                };
                let status = match status {
                    StatusType::Active => KeyState::Active,
                    StatusType::Inactive => KeyState::Inactive,
                    _ => KeyState::Other,
                };
                keys.push(ListedKey { id: id.into(), status, created });
            }
        }
        Ok(keys)
    }

    async fn get_last_use(&self, key: &str) -> BackendResult<Option<KeyUse>> {
        const OPERATION: &str = "iam:GetAccessKeyLastUsed";
        let answer = self.aws_clients()?.iam.get_access_key_last_used().access_key_id(key).send().await;
        let answer = answer.map_err(|error| to_backend_error(OPERATION, &error, false))?;
        let used = answer.access_key_last_used();
        let used = used.ok_or_else(|| unexpected_reply(OPERATION, "the answer says nothing", false))?;
        let Some(date) = used.last_used_date() else { return Ok(None) };
        let at =
            to_timestamp(date).ok_or_else(|| unexpected_reply(OPERATION, "a date out of range", false))?;
        let service = non_empty(used.service_name()).unwrap_or_default();
        Ok(Some(KeyUse { at, service: service.into() }))
    }
}

impl IamWrite for LiveBackend {
    async fn create_access_key(&self, user: &str) -> BackendResult<Credential> {
        const OPERATION: &str = "iam:CreateAccessKey";
        self.server_time.ensure_clocks_agree()?;
        // A repetition would make a second key whose secret nobody has.
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request =
            self.aws_clients()?.iam.create_access_key().user_name(user).customize().config_override(once);
        let answer = request.send().await.map_err(|error| to_backend_error(OPERATION, &error, true))?;
        let key =
            answer.access_key.ok_or_else(|| unexpected_reply(OPERATION, "the answer holds no key", true))?;
        let credential = Credential::new(key.access_key_id, key.secret_access_key);
        if key.user_name != user {
            return Err(unexpected_reply(OPERATION, "the key is of another user", true));
        }
        Ok(credential)
    }

    async fn set_key_status(&self, user: &str, key: &str, status: KeyState) -> BackendResult<()> {
        const OPERATION: &str = "iam:UpdateAccessKey";
        self.server_time.ensure_clocks_agree()?;
        let status = match status {
            KeyState::Active => StatusType::Active,
            KeyState::Inactive => StatusType::Inactive,
            KeyState::Other => {
                return Err(BackendError::new(ErrorKind::Rejected, "no such status can be set"));
            }
        };
        let request =
            self.aws_clients()?.iam.update_access_key().user_name(user).access_key_id(key).status(status);
        request.send().await.map(drop).map_err(|error| to_backend_error(OPERATION, &error, true))
    }

    async fn delete_access_key(&self, user: &str, key: &str) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let request = self.aws_clients()?.iam.delete_access_key().user_name(user).access_key_id(key);
        request.send().await.map(drop).map_err(|error| to_backend_error("iam:DeleteAccessKey", &error, true))
    }
}

impl KeyTags for LiveBackend {
    async fn set_key_description(&self, user: &str, key: &str, text: Option<&str>) -> BackendResult<()> {
        let told = match text {
            Some(text) => {
                let tag = Tag::builder().key(key).value(text).build();
                let tag = tag.map_err(|error| BackendError::new(ErrorKind::NotApplied, error.to_string()))?;
                let request = self.aws_clients()?.iam.tag_user().user_name(user).tags(tag);
                request.send().await.map(drop).map_err(|error| to_backend_error("iam:TagUser", &error, true))
            }
            None => {
                let request = self.aws_clients()?.iam.untag_user().user_name(user).tag_keys(key);
                request
                    .send()
                    .await
                    .map(drop)
                    .map_err(|error| to_backend_error("iam:UntagUser", &error, true))
            }
        };
        if let Err(why) = &told {
            self.add_remark(format!("the description of the key is not up to date: {why}"));
        }
        told
    }
}

impl CallerIdentity for LiveBackend {
    async fn get_caller_user_id(&self, credential: &Credential) -> BackendResult<Arc<str>> {
        const OPERATION: &str = "sts:GetCallerIdentity";
        let answer = self.aws_clients()?.sts_client(credential).get_caller_identity().send().await;
        let answer = answer.map_err(|error| to_backend_error(OPERATION, &error, false))?;
        if answer.account() != Some(&self.account) {
            return Err(BackendError::new(
                ErrorKind::Rejected,
                format!("{OPERATION}: the key is of another account"),
            ));
        }
        let id =
            answer.user_id().ok_or_else(|| unexpected_reply(OPERATION, "the answer names nobody", false))?;
        Ok(id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_what_will_pass() {
        assert_eq!(of_code("NoSuchEntity"), ErrorKind::NotFound);
        assert_eq!(of_code("Throttling"), ErrorKind::NotApplied);
        assert_eq!(of_code("LimitExceeded"), ErrorKind::Rejected);
        assert_eq!(of_code("AccessDenied"), ErrorKind::Rejected);
    }
}
