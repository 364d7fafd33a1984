//! Connects to AWS: region, credentials, retries and time limits, for every command that calls it.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use secrecy::{ExposeSecret, SecretString};

use super::error::explain_sdk_error;
use super::sts::get_caller;
use crate::error::CommandError;
use crate::policy::RoleArn;

/// How to connect to the account.
pub struct AwsAccess {
    pub endpoint_url: Option<String>,
    /// Whether `AWS_ENDPOINT_URL` and similar variables apply if `endpoint_url` is not set.
    pub trusts_environment: bool,
    pub region: Option<String>,
    /// A role to assume with GitHub's OIDC token, and that token.
    pub web_identity: Option<(RoleArn, SecretString)>,
    /// The policy's `role_arn`, assumed after that.
    pub role: Option<RoleArn>,
    /// The longest that one call may take, its retries included.
    pub timeout: Duration,
}

/// An account to which a connection exists.
pub struct AwsAccount {
    pub config: SdkConfig,
    pub caller: CallerAccount,
}

/// The account of the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerAccount {
    /// Twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
    /// Of the user or of the role's session.
    pub arn: String,
}

/// The SDK's configuration with the credentials that were asked for.
///
/// # Errors
/// GitHub's token was not accepted by STS.
pub async fn connect_aws(access: &AwsAccess) -> Result<SdkConfig, CommandError> {
    let base = base_config(access).await;
    let base = match &access.web_identity {
        Some((role, token)) => with_credentials(&base, web_identity(&base, role, token).await?),
        None => base,
    };
    let Some(role) = &access.role else { return Ok(base) };
    let provider =
        AssumeRoleProvider::builder(&role.0).session_name("keytide").configure(&base).build().await;
    Ok(base.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

async fn base_config(access: &AwsAccess) -> SdkConfig {
    let partition = access.web_identity.as_ref().map(|(role, _)| role).or(access.role.as_ref());
    let home = home_region(partition.map_or("aws", RoleArn::partition));
    let region =
        aws_config::meta::region::RegionProviderChain::first_try(access.region.clone().map(Region::new))
            .or_default_provider()
            .or_else(Region::from_static(home));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5).min(access.timeout))
        .operation_attempt_timeout(Duration::from_secs(20).min(access.timeout))
        .operation_timeout(access.timeout)
        .build();
    // Exponential, with jitter: each of the calls under way waits longer the more often IAM throttles it.
    let retries = RetryConfig::standard()
        .with_max_attempts(8)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(10));
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region)
        .retry_config(retries)
        .timeout_config(timeouts);
    let config = match &access.endpoint_url {
        Some(url) => loader.endpoint_url(url).load().await,
        None => loader.load().await,
    };
    if access.trusts_environment {
        return config;
    }
    // The environment of a workflow must not be able to send the credentials to another endpoint.
    let mut builder = config.into_builder();
    builder.set_endpoint_url(access.endpoint_url.clone());
    builder.service_config(NoEndpoints).build()
}

/// The region that signs IAM's requests in a partition (botocore's endpoint rules).
fn home_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

/// A client of IAM. Its retries have an unlimited budget: a throttled audit must wait, not fail.
pub fn iam_client(config: &SdkConfig) -> aws_sdk_iam::Client {
    iam_with(config, |builder| builder)
}

/// The same, with more settings.
pub fn iam_with(
    config: &SdkConfig,
    more: impl FnOnce(aws_sdk_iam::config::Builder) -> aws_sdk_iam::config::Builder,
) -> aws_sdk_iam::Client {
    let partition = RetryPartition::custom("keytide-iam").token_bucket(TokenBucket::unlimited()).build();
    let builder =
        aws_sdk_iam::config::Builder::from(config).retry_partition(partition).interceptor(CompleteReplies);
    aws_sdk_iam::Client::from_conf(more(builder).build())
}

/// Ignores the endpoints of single services that the environment and the profile set.
#[derive(Debug)]
struct NoEndpoints;

impl LoadServiceConfig for NoEndpoints {
    fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
        None
    }
}

/// Rejects a truncated reply: the SDK would read a part of a list as the whole one.
#[derive(Debug)]
struct CompleteReplies;

impl Intercept for CompleteReplies {
    fn name(&self) -> &'static str {
        "complete replies"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default().trim_ascii_end();
        if response.status().is_success() && !body.ends_with(b"Response>") {
            return Err("the reply is incomplete, or not from AWS".into());
        }
        Ok(())
    }
}

fn with_credentials(base: &SdkConfig, credentials: Credentials) -> SdkConfig {
    base.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

/// Exchanges GitHub's token for credentials; STS needs no signature for it.
async fn web_identity(
    base: &SdkConfig,
    role: &RoleArn,
    token: &SecretString,
) -> Result<Credentials, CommandError> {
    let answer = aws_sdk_sts::Client::new(base)
        .assume_role_with_web_identity()
        .role_arn(&role.0)
        .role_session_name("keytide")
        .web_identity_token(token.expose_secret())
        .send()
        .await
        .map_err(|error| {
            CommandError::incomplete(format!("`{}` cannot be assumed: {}", role.0, explain_sdk_error(&error)))
                .with_help("the role's trust policy must name this repository; `keytide iam-policy --for COMMAND --trust` prints one")
        })?;
    let Some(given) = answer.credentials() else {
        return Err(CommandError::incomplete(format!("STS gave no credentials for `{}`", role.0)));
    };
    let (id, secret, token) = (given.access_key_id(), given.secret_access_key(), given.session_token());
    Ok(Credentials::new(id, secret, Some(token.to_owned()), None, "GitHub OIDC"))
}

/// Asks STS for the account of the credentials: always the first call, so that a wrong account is noticed.
///
/// # Errors
/// There are no credentials, or STS refuses them.
pub async fn get_caller_account(config: &SdkConfig) -> Result<CallerAccount, CommandError> {
    let caller = get_caller(&aws_sdk_sts::Client::new(config)).await;
    let caller = caller.map_err(|error| {
        CommandError::incomplete(format!("{} failed: {}", error.operation, error.message)).with_help(
            "are there AWS credentials, and is AWS reachable? In a workflow: `permissions: id-token: write` and `role-to-assume`",
        )
    })?;
    Ok(CallerAccount { account: caller.account, partition: caller.partition, arn: caller.arn })
}
