//! Holds the AWS clients of one run. Each takes the time from the replies, and is built once.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;

use super::connect::iam_with;
use super::error::AwsError;
use super::iam::IamClient;
use super::sts::{CallerRecord, get_caller};
use crate::secret::Credential;
use crate::system::server_time::{ServerTime, TimeSource};

/// The clients of one run.
pub struct AwsClients {
    config: SdkConfig,
    iam: IamClient,
    /// Clients of other services, by their type and region.
    regional: RefCell<HashMap<(TypeId, String), Box<dyn Any>>>,
    time: Arc<ServerTime>,
}

impl AwsClients {
    pub fn new(config: SdkConfig, time: Arc<ServerTime>) -> Self {
        let clock = ReplyDate(time.clone());
        let iam = iam_with(&config, |builder| builder.interceptor(clock));
        Self { config, iam: IamClient::new(iam), regional: RefCell::default(), time }
    }

    pub fn iam(&self) -> &IamClient {
        &self.iam
    }

    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// The interceptor that gives a client's replies to the clock.
    pub fn reply_clock(&self) -> ReplyDate {
        ReplyDate(self.time.clone())
    }

    /// The client of a service in a region, built when it is first needed. A client for each request would assume the role
    /// of the run each time, because credentials are cached by client.
    pub fn regional_client<C: Clone + 'static>(
        &self,
        region: &str,
        build: impl FnOnce(&SdkConfig, Region) -> C,
    ) -> C {
        let mut clients = self.regional.borrow_mut();
        let key = (TypeId::of::<C>(), region.to_owned());
        if let Some(known) = clients.get(&key).and_then(|known| known.downcast_ref::<C>()) {
            return known.clone();
        }
        let client = build(&self.config, Region::new(region.to_owned()));
        clients.insert(key, Box::new(client.clone()));
        client
    }

    /// Asks STS who a credential belongs to. The request is sent once: the caller decides how long to repeat it.
    ///
    /// # Errors
    /// As for `get_caller`.
    pub async fn get_caller_of(&self, credential: &Credential) -> Result<CallerRecord, AwsError> {
        let keys = Credentials::new(
            credential.access_key_id(),
            credential.expose_secret(),
            None,
            None,
            "the new access key",
        );
        let config = aws_sdk_sts::config::Builder::from(&self.config)
            .credentials_provider(keys)
            // Else the SDK could sign with the run's own credentials, which it has cached.
            .identity_cache(aws_sdk_sts::config::IdentityCache::no_cache())
            // A refusal is expected for some seconds after a key's creation, and the caller waits for its end.
            .retry_config(RetryConfig::disabled())
            .interceptor(self.reply_clock())
            .build();
        get_caller(&aws_sdk_sts::Client::from_conf(config)).await
    }
}

/// Gives the date of every reply to the clock.
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
