//! Connects to AWS: region, credentials, retries and time limits, for every command that calls it.

use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_iam::config::StalledStreamProtectionConfig;
use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use secrecy::{ExposeSecret, SecretString};

use super::certificates::read_certificates;
use super::checked_credentials::check_credentials;
use super::credentials::{CredentialOrigin, hold_credentials, load_credentials};
use super::explain::{explain_credentials_error, explain_sdk_error};
use super::http_client::build_client;
use super::profile::{Profiles, SelectedProfile};
use super::sdk_files::{ensure_sdk_files_are_bounded, ensure_token_file_is_bounded};
use super::sts::get_caller;
use crate::error::CommandError;
use crate::iam::home_region;
use crate::policy::RoleArn;
use crate::policy::scalar::is_region;
use crate::system::environment::ProcessEnvironment;

/// The variables that name the region, in the SDK's order.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// The variable that names a file of certificates, as in the AWS command line.
const BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";
/// The variables that name the endpoints of the services that give credentials.
const CREDENTIAL_ENDPOINTS: [&str; 4] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"];

/// How to connect to the account.
pub struct AwsAccess {
    pub environment: ProcessEnvironment,
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

/// Connects to the account of the credentials. Its number is always asked for first, so that a wrong account is noticed.
///
/// # Errors
/// There are no credentials, AWS refuses them, or it cannot be reached.
pub async fn connect_account(access: &AwsAccess) -> Result<AwsAccount, CommandError> {
    ensure_sdk_files_are_bounded(&access.environment)?;
    let profiles = Profiles::read(selected_profile(access)).await?;
    let origin = CredentialOrigin::new(&access.environment, &profiles)?;
    if let Some(file) = origin.profile().and_then(|profile| profile.token_file.as_deref()) {
        ensure_token_file_is_bounded(
            &access.environment,
            "`web_identity_token_file` of the AWS profile",
            file,
        )?;
    }
    // Before a token or a request for credentials is sent
    ensure_credentials_stay_with_aws(access, origin.profile())?;
    let base = base_config(access, &origin).await?;
    let base = match &access.web_identity {
        Some((role, token)) => with_credentials(&base, web_identity(&base, role, token).await?),
        // Loaded here, so that their absence is one error at the start and not one for each request
        None => load_credentials(base, &origin).await?,
    };
    let config = match &access.role {
        Some(role) => assume_role(base, role).await?,
        None => base,
    };
    let caller = get_caller(&aws_sdk_sts::Client::new(&config)).await.map_err(|error| {
        CommandError::incomplete(format!("{} failed: {}", error.operation, error.message))
            .with_help(origin.advice(&error.message))
    })?;
    let caller = CallerAccount { account: caller.account, partition: caller.partition, arn: caller.arn };
    Ok(AwsAccount { config, caller })
}

/// Refuses variables and a profile that would send the request for credentials, with a token, to another server. The
/// configuration ignores them only once it has the credentials, and the SDK has no switch for the requests before.
fn ensure_credentials_stay_with_aws(
    access: &AwsAccess,
    profile: Option<&SelectedProfile>,
) -> Result<(), CommandError> {
    let environment = &access.environment;
    let has_key = environment.is_set("AWS_ACCESS_KEY_ID") && environment.is_set("AWS_SECRET_ACCESS_KEY");
    if access.trusts_environment || access.web_identity.is_some() || has_key {
        return Ok(());
    }
    if let Some(name) = CREDENTIAL_ENDPOINTS.into_iter().find(|name| environment.is_set(name)) {
        return Err(foreign_endpoint(name, "unset it"));
    }
    let Some((profile, setting)) = profile.and_then(|profile| Some((profile, profile.credential_endpoint?)))
    else {
        return Ok(());
    };
    Err(foreign_endpoint(&format!("`{setting}` of the AWS profile `{}`", profile.name), "remove it"))
}

fn foreign_endpoint(name: &str, remedy: &str) -> CommandError {
    CommandError::environment(format!("{name} would send the request for credentials to another server"))
        .with_help(format!("{remedy}; commands that write take endpoints from `--endpoint-url` only"))
}

/// The profile that AWS_PROFILE names. Without a value the variable counts as absent, as every other one does.
fn selected_profile(access: &AwsAccess) -> &str {
    access.environment.get("AWS_PROFILE").unwrap_or("default")
}

async fn base_config(access: &AwsAccess, origin: &CredentialOrigin) -> Result<SdkConfig, CommandError> {
    let partition = access.web_identity.as_ref().map(|(role, _)| role).or(access.role.as_ref());
    // IAM is a global service: its requests are signed for one region of the partition, whichever region the run is
    // in
    let home = home_region(partition.map_or("aws", RoleArn::partition));
    let region = RegionProviderChain::first_try(named_region(access, origin)?.map(Region::new))
        .or_else(ImdsRegionProvider::builder().build())
        .or_else(Region::from_static(home));
    // An attempt has its own limit, so that one lost reply does not use up the time of all retries
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
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .profile_name(selected_profile(access))
        .region(region)
        .retry_config(retries)
        .timeout_config(timeouts)
        // An attempt that stalls ends by its limit. The SDK's own watch over the speed of a body costs time for each
        // request
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    loader = loader.http_client(build_client(trusted_certificates(access, origin)?));
    let config = match &access.endpoint_url {
        Some(url) => loader.endpoint_url(url).load().await,
        None => loader.load().await,
    };
    if access.trusts_environment {
        return Ok(config);
    }
    // The environment of a workflow must not be able to send the credentials to another endpoint.
    let mut builder = config.into_builder();
    builder.set_endpoint_url(access.endpoint_url.clone());
    Ok(builder.service_config(NoEndpoints).build())
}

/// The certificates that the environment or the profile names, to trust in place of the system's.
fn trusted_certificates(
    access: &AwsAccess,
    origin: &CredentialOrigin,
) -> Result<Option<TlsContext>, CommandError> {
    if let Some(file) = access.environment.get(BUNDLE_VARIABLE) {
        return read_certificates(BUNDLE_VARIABLE, file, access.timeout).map(Some);
    }
    let bundle_of_profile = origin.profile().and_then(|profile| profile.ca_bundle.as_deref());
    bundle_of_profile
        .map(|file| read_certificates("`ca_bundle` of the AWS profile", file, access.timeout))
        .transpose()
}

/// The region that the command line, the environment or the profile names.
fn named_region(access: &AwsAccess, origin: &CredentialOrigin) -> Result<Option<String>, CommandError> {
    if access.region.is_some() {
        return Ok(access.region.clone());
    }
    for name in REGION_VARIABLES {
        match access.environment.get(name) {
            Some(region) if is_region(region) => return Ok(Some(region.to_owned())),
            Some(other) => {
                let message = format!("{name} is `{other}`, which is not the name of a region");
                return Err(CommandError::environment(message)
                    .with_help("set it to a region such as eu-west-1, or unset it"));
            }
            None => {}
        }
    }
    Ok(origin.profile().and_then(|profile| profile.region.clone()))
}

/// Assumes the policy's `role_arn` with the credentials that there are.
async fn assume_role(base: SdkConfig, role: &RoleArn) -> Result<SdkConfig, CommandError> {
    let provider =
        AssumeRoleProvider::builder(&role.0).session_name("keytide").configure(&base).build().await;
    hold_credentials(base, provider).await.map_err(|error| {
        let reason = explain_credentials_error(&error);
        CommandError::incomplete(format!("`{}` cannot be assumed: {reason}", role.0)).with_help(
            "the role's trust policy must allow these credentials `sts:AssumeRole`; or remove `role_arn`",
        )
    })
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

/// Rejects a reply that is truncated or lacks its list: the SDK would read a part of a list as the whole one, and a list
/// that is not there as an empty one.
#[derive(Debug)]
struct CompleteReplies;

/// The replies that always have a list, with its name; AWS writes an empty list as an empty element.
const LISTS: [(&str, &str); 3] = [
    ("<ListAccessKeysResult", "<AccessKeyMetadata"),
    ("<ListServiceSpecificCredentialsResult", "<ServiceSpecificCredentials"),
    ("<ListUsersResult", "<Users"),
];

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
        // Only of a success: an error that was cut off is an error all the same
        if response.status().is_success() && !body.ends_with(b"Response>") {
            return Err("the reply is incomplete, or not from AWS".into());
        }
        // Names and tags cannot hold these: the text of an element has no `<`.
        if LISTS.into_iter().any(|(result, list)| has_element(body, result) && !has_element(body, list)) {
            return Err("the reply is incomplete: it has no list".into());
        }
        Ok(())
    }
}

fn has_element(body: &[u8], start: &str) -> bool {
    memchr::memmem::find(body, start.as_bytes()).is_some()
}

fn with_credentials(base: &SdkConfig, credentials: Credentials) -> SdkConfig {
    base.to_builder().credentials_provider(check_credentials(credentials)).build()
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
