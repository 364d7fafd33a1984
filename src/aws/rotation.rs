//! Implements the IAM and STS ports of a rotation, and holds the clients of a run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_iam::types::{StatusType, Tag};

use crate::aws::error::to_backend_error;
use crate::aws::iam::{IamClient, KeyRecord};
use crate::iam::KeyStatus;
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
    iam: IamClient,
    /// Of each region, made when it is needed.
    secrets: RefCell<BTreeMap<String, aws_sdk_secretsmanager::Client>>,
    time: Arc<ServerTime>,
}

impl AwsClients {
    pub fn new(config: SdkConfig, time: Arc<ServerTime>) -> Self {
        let clock = ReplyDate(time.clone());
        let iam = crate::aws::connect::iam_with(&config, |builder| builder.interceptor(clock));
        Self { config, iam: IamClient::new(iam), secrets: RefCell::default(), time }
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

fn unexpected_reply(operation: &str, what: &str, writes: bool) -> BackendError {
    let outcome = if writes { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
    BackendError::new(outcome, format!("{operation}: {what}"))
}

impl IamRead for LiveBackend {
    async fn get_user(&self, name: &str) -> BackendResult<Option<IamUser>> {
        let user = self.aws_clients()?.iam.get_user(name).await?;
        Ok(user.map(|user| IamUser { id: user.id.into(), arn: user.arn, tags: user.tags }))
    }

    async fn list_access_keys(&self, name: &str) -> BackendResult<Vec<ListedKey>> {
        let keys = self.aws_clients()?.iam.list_access_keys(name).await?;
        // A user that is gone is not a user without keys.
        let keys = keys.ok_or_else(|| {
            BackendError::new(ErrorKind::NotFound, format!("iam:ListAccessKeys: there is no user `{name}`"))
        })?;
        Ok(keys.into_iter().map(ListedKey::from).collect())
    }

    async fn get_last_use(&self, user: &str, key: &str) -> BackendResult<Option<KeyUse>> {
        let last = self.aws_clients()?.iam.get_last_use(user, key).await?;
        Ok(last.map(|last| KeyUse { at: last.at, service: last.service.unwrap_or_default().into() }))
    }
}

impl From<KeyRecord> for ListedKey {
    fn from(key: KeyRecord) -> Self {
        let status = match key.status {
            KeyStatus::Active => KeyState::Active,
            KeyStatus::Inactive => KeyState::Inactive,
            KeyStatus::Expired | KeyStatus::Other(_) => KeyState::Other,
        };
        Self { id: key.id.into(), status, created: key.created_at }
    }
}

impl IamWrite for LiveBackend {
    async fn create_access_key(&self, user: &str) -> BackendResult<Credential> {
        const OPERATION: &str = "iam:CreateAccessKey";
        self.server_time.ensure_clocks_agree()?;
        // A repetition would make a second key whose secret nobody has.
        let once = aws_sdk_iam::config::Builder::new().retry_config(RetryConfig::disabled());
        let request = self
            .aws_clients()?
            .iam
            .sdk_client()
            .create_access_key()
            .user_name(user)
            .customize()
            .config_override(once);
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
        let request = self
            .aws_clients()?
            .iam
            .sdk_client()
            .update_access_key()
            .user_name(user)
            .access_key_id(key)
            .status(status);
        request.send().await.map(drop).map_err(|error| to_backend_error(OPERATION, &error, true))
    }

    async fn delete_access_key(&self, user: &str, key: &str) -> BackendResult<()> {
        self.server_time.ensure_clocks_agree()?;
        let request =
            self.aws_clients()?.iam.sdk_client().delete_access_key().user_name(user).access_key_id(key);
        request.send().await.map(drop).map_err(|error| to_backend_error("iam:DeleteAccessKey", &error, true))
    }
}

impl KeyTags for LiveBackend {
    async fn set_key_description(&self, user: &str, key: &str, text: Option<&str>) -> BackendResult<()> {
        let told = match text {
            Some(text) => self.set_user_tag(user, key, text).await,
            None => {
                let request = self.aws_clients()?.iam.sdk_client().untag_user().user_name(user).tag_keys(key);
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

    async fn set_user_tag(&self, user: &str, name: &str, value: &str) -> BackendResult<()> {
        let tag = Tag::builder().key(name).value(value).build();
        let tag = tag.map_err(|error| BackendError::new(ErrorKind::NotApplied, error.to_string()))?;
        let request = self.aws_clients()?.iam.sdk_client().tag_user().user_name(user).tags(tag);
        request.send().await.map(drop).map_err(|error| to_backend_error("iam:TagUser", &error, true))
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
