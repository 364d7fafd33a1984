//! The way into AWS: region, credentials, retries, time limits; and what an error of the SDK means.

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
use secrecy::{ExposeSecret, SecretString};

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::error::explain_sdk_error;
use crate::error::CommandError;
use crate::policy::RoleArn;
use crate::policy::scalar::{AccountId, Scalar};

/// How the account is reached.
pub struct AwsAccess {
    pub endpoint_url: Option<String>,
    /// Whether `AWS_ENDPOINT_URL` and its kin decide where `endpoint_url` does not.
    pub trusts_environment: bool,
    pub region: Option<String>,
    /// A role to assume with GitHub's OIDC token, and that token.
    pub web_identity: Option<(RoleArn, SecretString)>,
    /// The policy's `role_arn`, assumed after that.
    pub role: Option<RoleArn>,
    /// The longest that one call may take, its retries included.
    pub timeout: Duration,
}

/// An account that was reached.
pub struct AwsAccount {
    pub config: SdkConfig,
    pub caller: CallerAccount,
}

/// Who the credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerAccount {
    /// Twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
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

/// A client of IAM. Its retries have a budget of their own: a throttled audit must wait, not give up.
pub fn iam_client(config: &SdkConfig) -> aws_sdk_iam::Client {
    iam_with(config, |builder| builder)
}

/// The same, with more.
pub fn iam_with(
    config: &SdkConfig,
    more: impl FnOnce(aws_sdk_iam::config::Builder) -> aws_sdk_iam::config::Builder,
) -> aws_sdk_iam::Client {
    let partition = RetryPartition::custom("keytide-iam").token_bucket(TokenBucket::unlimited()).build();
    let builder =
        aws_sdk_iam::config::Builder::from(config).retry_partition(partition).interceptor(CompleteReplies);
    aws_sdk_iam::Client::from_conf(more(builder).build())
}

/// What the environment and the profile say of single services' endpoints: nothing.
#[derive(Debug)]
struct NoEndpoints;

impl LoadServiceConfig for NoEndpoints {
    fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
        None
    }
}

/// Refuses an answer whose end is missing: the SDK reads what is there, and half a list looks like a whole one.
#[derive(Debug)]
struct CompleteReplies;

impl Intercept for CompleteReplies {
    fn name(&self) -> &'static str {
        "whole answers"
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

/// Trades GitHub's token for credentials; STS asks for no signature here.
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

/// Asks STS who the credentials belong to: always the first call, so that a wrong account is noticed.
///
/// # Errors
/// There are no credentials, or STS refuses them.
pub async fn get_caller_account(config: &SdkConfig) -> Result<CallerAccount, CommandError> {
    let help = "are there AWS credentials, and is AWS reachable? In a workflow: `permissions: id-token: write` and `role-to-assume`";
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| {
        CommandError::incomplete(format!("sts:GetCallerIdentity failed: {}", explain_sdk_error(&error)))
            .with_help(help)
    })?;
    let (account, arn) = (answer.account().unwrap_or_default(), answer.arn().unwrap_or_default());
    let partition = arn.split(':').nth(1).filter(|partition| partition.starts_with("aws"));
    match partition {
        Some(partition) if AccountId::parse(account).is_ok() => {
            Ok(CallerAccount { account: account.to_owned(), partition: partition.to_owned() })
        }
        _ => Err(CommandError::incomplete("sts:GetCallerIdentity answered without an account: is this AWS?")),
    }
}
