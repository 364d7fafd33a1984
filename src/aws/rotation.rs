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

use crate::aws::connect::explain;
use crate::iam::non_empty;
use crate::live::Service;
use crate::ports::{Answer, Callers, Descriptions, Failure, Keys, Listed, Outcome, User, Users};
use crate::rotation::{Status, Use};
use crate::secret::Credential;
use crate::system::server_time::{Peer, ServerTime};

/// The way to AWS.
pub struct Aws {
    config: SdkConfig,
    iam: Client,
    /// Of each region, made when it is needed.
    secrets: RefCell<BTreeMap<String, aws_sdk_secretsmanager::Client>>,
    time: Arc<ServerTime>,
}

impl Aws {
    pub fn new(config: SdkConfig, time: Arc<ServerTime>) -> Self {
        let clock = ReplyDate(time.clone());
        let iam = crate::aws::connect::iam_with(&config, |builder| builder.interceptor(clock));
        Self { config, iam, secrets: RefCell::default(), time }
    }

    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// What every client of AWS is given, so that its replies tell the time.
    pub fn clock(&self) -> ReplyDate {
        ReplyDate(self.time.clone())
    }

    /// Secrets Manager in a region.
    pub fn secrets(&self, region: &str) -> aws_sdk_secretsmanager::Client {
        let make = || {
            let config = aws_sdk_secretsmanager::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .interceptor(self.clock());
            aws_sdk_secretsmanager::Client::from_conf(config.build())
        };
        self.secrets.borrow_mut().entry(region.to_owned()).or_insert_with(make).clone()
    }

    /// STS as the bearer of a credential sees it. Asked once: whoever asks knows how long to go on.
    fn sts(&self, credential: &Credential) -> aws_sdk_sts::Client {
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
            .interceptor(self.clock())
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
            self.0.told(Peer::Aws, date);
        }
        Ok(())
    }
}

/// What an error tells of a request. `writes`: it may have done something when nobody says that it has not.
pub fn failure<E>(operation: &str, error: &SdkError<E, HttpResponse>, writes: bool) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let lost = if writes { Outcome::Unknown } else { Outcome::NotDone };
    let outcome = match error {
        SdkError::ConstructionFailure(_) => Outcome::NotDone,
        // Without credentials nothing is sent.
        SdkError::DispatchFailure(failure) if failure.is_user() => Outcome::NotDone,
        SdkError::ServiceError(inner) => match inner.err().code() {
            _ if inner.raw().status().is_server_error() => lost,
            Some(code) => of_code(code),
            None => lost,
        },
        _ => lost,
    };
    Failure::new(outcome, format!("{operation}: {}", explain(error)))
}

/// What a refusal of AWS's means (the service models, and the codes that all services share).
fn of_code(code: &str) -> Outcome {
    match code {
        "NoSuchEntity" | "ResourceNotFoundException" => Outcome::Missing,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "BandwidthLimitExceeded" => Outcome::NotDone,
        "EntityTemporarilyUnmodifiable" | "ConcurrentModification" => Outcome::NotDone,
        // The run's own credentials have ended, or are not known everywhere yet: another run has others.
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException" => Outcome::NotDone,
        _ => Outcome::Refused,
    }
}

fn strange(operation: &str, what: &str, writes: bool) -> Failure {
    let outcome = if writes { Outcome::Unknown } else { Outcome::NotDone };
    Failure::new(outcome, format!("{operation}: {what}"))
}

fn timestamp(date: &aws_sdk_iam::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}

impl Users for Service {
    async fn user(&self, name: &str) -> Answer<Option<User>> {
        const OPERATION: &str = "iam:GetUser";
        let answer = match self.aws()?.iam.get_user().user_name(name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failure = failure(OPERATION, &error, false);
                return if failure.outcome == Outcome::Missing { Ok(None) } else { Err(failure) };
            }
        };
        let user = answer.user().filter(|user| user.user_name() == name);
        let user = user.ok_or_else(|| strange(OPERATION, "the answer names another user", false))?;
        let tags: BTreeMap<String, String> =
            user.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        Ok(Some(User { id: user.user_id().into(), arn: user.arn().to_owned(), tags }))
    }

    async fn keys(&self, name: &str) -> Answer<Vec<Listed>> {
        const OPERATION: &str = "iam:ListAccessKeys";
        let mut pages = self.aws()?.iam.list_access_keys().user_name(name).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure(OPERATION, &error, false))?;
            if page.is_truncated() && page.marker().is_none() {
                return Err(strange(OPERATION, "a page is missing", false));
            }
            for key in page.access_key_metadata() {
                let created = key.create_date().and_then(timestamp);
                let (Some(id), Some(status), Some(created)) = (key.access_key_id(), key.status(), created)
                else {
                    return Err(strange(OPERATION, "a key without ID, status or date", false));
                };
                let status = match status {
                    StatusType::Active => Status::Active,
                    StatusType::Inactive => Status::Inactive,
                    _ => Status::Other,
                };
                keys.push(Listed { id: id.into(), status, created });
            }
        }
        Ok(keys)
    }

    async fn last_used(&self, key: &str) -> Answer<Option<Use>> {
        const OPERATION: &str = "iam:GetAccessKeyLastUsed";
        let answer = self.aws()?.iam.get_access_key_last_used().access_key_id(key).send().await;
        let answer = answer.map_err(|error| failure(OPERATION, &error, false))?;
        let used = answer.access_key_last_used();
        let used = used.ok_or_else(|| strange(OPERATION, "the answer says nothing", false))?;
        let Some(date) = used.last_used_date() else { return Ok(None) };
        let at = timestamp(date).ok_or_else(|| strange(OPERATION, "a date out of range", false))?;
        let service = non_empty(used.service_name()).unwrap_or_default();
        Ok(Some(Use { at, service: service.into() }))
    }
}

impl Keys for Service {
    async fn create_key(&self, user: &str) -> Answer<Credential> {
        const OPERATION: &str = "iam:CreateAccessKey";
        self.time.agree()?;
        // A repetition would make a second key whose secret nobody has.
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self.aws()?.iam.create_access_key().user_name(user).customize().config_override(once);
        let answer = request.send().await.map_err(|error| failure(OPERATION, &error, true))?;
        let key = answer.access_key.ok_or_else(|| strange(OPERATION, "the answer holds no key", true))?;
        let credential = Credential::new(key.access_key_id, key.secret_access_key);
        if key.user_name != user {
            return Err(strange(OPERATION, "the key is of another user", true));
        }
        Ok(credential)
    }

    async fn set(&self, user: &str, key: &str, status: Status) -> Answer<()> {
        const OPERATION: &str = "iam:UpdateAccessKey";
        self.time.agree()?;
        let status = match status {
            Status::Active => StatusType::Active,
            Status::Inactive => StatusType::Inactive,
            Status::Other => return Err(Failure::new(Outcome::Refused, "no such status can be set")),
        };
        let request = self.aws()?.iam.update_access_key().user_name(user).access_key_id(key).status(status);
        request.send().await.map(drop).map_err(|error| failure(OPERATION, &error, true))
    }

    async fn delete(&self, user: &str, key: &str) -> Answer<()> {
        self.time.agree()?;
        let request = self.aws()?.iam.delete_access_key().user_name(user).access_key_id(key);
        request.send().await.map(drop).map_err(|error| failure("iam:DeleteAccessKey", &error, true))
    }
}

impl Descriptions for Service {
    async fn describe(&self, user: &str, key: &str, text: Option<&str>) -> Answer<()> {
        let told = match text {
            Some(text) => {
                let tag = Tag::builder().key(key).value(text).build();
                let tag = tag.map_err(|error| Failure::new(Outcome::NotDone, error.to_string()))?;
                let request = self.aws()?.iam.tag_user().user_name(user).tags(tag);
                request.send().await.map(drop).map_err(|error| failure("iam:TagUser", &error, true))
            }
            None => {
                let request = self.aws()?.iam.untag_user().user_name(user).tag_keys(key);
                request.send().await.map(drop).map_err(|error| failure("iam:UntagUser", &error, true))
            }
        };
        if let Err(why) = &told {
            self.remark(format!("the description of the key is not up to date: {why}"));
        }
        told
    }
}

impl Callers for Service {
    async fn caller(&self, credential: &Credential) -> Answer<Arc<str>> {
        const OPERATION: &str = "sts:GetCallerIdentity";
        let answer = self.aws()?.sts(credential).get_caller_identity().send().await;
        let answer = answer.map_err(|error| failure(OPERATION, &error, false))?;
        if answer.account() != Some(&self.account) {
            return Err(Failure::new(
                Outcome::Refused,
                format!("{OPERATION}: the key is of another account"),
            ));
        }
        let id = answer.user_id().ok_or_else(|| strange(OPERATION, "the answer names nobody", false))?;
        Ok(id.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_what_will_pass() {
        assert_eq!(of_code("NoSuchEntity"), Outcome::Missing);
        assert_eq!(of_code("Throttling"), Outcome::NotDone);
        assert_eq!(of_code("LimitExceeded"), Outcome::Refused);
        assert_eq!(of_code("AccessDenied"), Outcome::Refused);
    }
}
