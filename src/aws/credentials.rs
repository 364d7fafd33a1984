//! Loads the AWS credentials of a run, before its first request, and says what to do if there are none.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use jiff::Timestamp;

use super::checked_credentials::check_credentials;
use super::explain::{explain_credentials_error, is_throttled, is_without_credentials, mentions};
use super::profile::{ProfileSource, Profiles, SelectedProfile};
use crate::error::CommandError;
use crate::system::clock;
use crate::system::environment::ProcessEnvironment;

/// How long a provider may take: a program may ask a person to approve.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Credentials that end sooner than this are loaded anew.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);
/// What the SDK and IAM Identity Center say if the session of a profile has ended, or never began.
const ENDED_SESSION: [&str; 3] = ["SSO token", "sso/cache", "UnauthorizedException"];

/// What decides where the credentials come from, as far as the advice needs it.
#[derive(Debug, Clone, Default)]
pub struct CredentialOrigin {
    in_workflow: bool,
    can_request_token: bool,
    is_pull_request: bool,
    has_key_id: bool,
    has_secret: bool,
    /// Whether AWS_PROFILE names the profile.
    names_profile: bool,
    /// The file that AWS_WEB_IDENTITY_TOKEN_FILE names.
    token_file: Option<String>,
    profile: Option<SelectedProfile>,
    profile_names: Vec<String>,
}

impl CredentialOrigin {
    /// # Errors
    /// AWS_PROFILE names a profile that does not exist, and nothing before it has credentials.
    pub fn new(environment: &ProcessEnvironment, profiles: &Profiles) -> Result<Self, CommandError> {
        let event = environment.get("GITHUB_EVENT_NAME").unwrap_or_default();
        let origin = Self {
            in_workflow: environment.in_github_actions(),
            can_request_token: environment.is_set("ACTIONS_ID_TOKEN_REQUEST_URL"),
            is_pull_request: event.starts_with("pull_request"),
            has_key_id: environment.is_set("AWS_ACCESS_KEY_ID"),
            has_secret: environment.is_set("AWS_SECRET_ACCESS_KEY"),
            names_profile: environment.is_set("AWS_PROFILE"),
            token_file: environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").map(str::to_owned),
            profile: profiles.selected(),
            profile_names: profiles.names().into_iter().map(str::to_owned).collect(),
        };
        match environment.get("AWS_PROFILE") {
            // The variables of a key come before the profile, as in the AWS command line.
            Some(named) if origin.profile.is_none() && !(origin.has_key_id && origin.has_secret) => {
                Err(origin.missing_profile(named))
            }
            _ => Ok(origin),
        }
    }

    pub fn profile(&self) -> Option<&SelectedProfile> {
        self.profile.as_ref()
    }

    fn missing_profile(&self, named: &str) -> CommandError {
        let error = CommandError::environment(format!(
            "AWS_PROFILE names the profile `{named}`, which does not exist"
        ));
        if self.profile_names.is_empty() {
            error.with_help(
                "~/.aws/config has no profiles; create one with `aws configure sso`, or unset AWS_PROFILE",
            )
        } else {
            error.with_help(format!("the profiles are: {}", self.profile_names.join(", ")))
        }
    }

    /// The error of a run without credentials.
    fn none_found(&self) -> CommandError {
        // Before the profile: the SDK skips a pair with one half without a word, which looks like a wrong profile
        match (self.has_key_id, self.has_secret) {
            (true, false) => return half_pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            (false, true) => return half_pair("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            _ => {}
        }
        match &self.profile {
            // A `default` profile that no one asked for is not worth an error of its own
            Some(profile) if self.names_profile => self.empty_profile(profile),
            _ => CommandError::incomplete("no AWS credentials were found")
                .with_help(self.suggest_first_steps()),
        }
    }

    /// The error of a profile that AWS_PROFILE names, and that has no credentials.
    fn empty_profile(&self, profile: &SelectedProfile) -> CommandError {
        let error =
            CommandError::incomplete(format!("the AWS profile `{}` has no credentials", profile.name));
        match &profile.missing_source {
            Some(source) => error.with_help(format!(
                "it names the source profile `{source}`, which does not exist; the profiles are: {}",
                self.profile_names.join(", ")
            )),
            None => error
                .with_help("give it credentials with `aws configure sso`, or set AWS_PROFILE to another one"),
        }
    }

    /// How to get credentials, where there are none.
    fn suggest_first_steps(&self) -> String {
        if self.in_workflow && self.can_request_token {
            return "set the input `role-to-assume`: the job may request an OIDC token, and no role is named"
                .to_owned();
        }
        if self.in_workflow {
            let advice = "give the job `permissions: id-token: write` and set the input `role-to-assume`";
            if !self.is_pull_request {
                return advice.to_owned();
            }
            return format!(
                "{advice}; pull requests of forks and of Dependabot get no OIDC token, skip the job for them with `if:`"
            );
        }
        if self.profile_names.is_empty() {
            return "create a profile with `aws configure sso`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned();
        }
        format!("set AWS_PROFILE to one of the profiles: {}", self.profile_names.join(", "))
    }

    /// The error of a provider that failed.
    fn explain(&self, error: &CredentialsError) -> CommandError {
        if is_without_credentials(error) {
            return self.none_found();
        }
        let reason = explain_credentials_error(error);
        match &self.profile {
            Some(profile) => explain_profile(profile, error, &reason),
            None => {
                let error =
                    CommandError::incomplete(format!("the AWS credentials could not be loaded: {reason}"));
                match &self.token_file {
                    Some(file) => error.with_help(format!("AWS_WEB_IDENTITY_TOKEN_FILE names {file}")),
                    None => error,
                }
            }
        }
    }

    /// What to do after AWS refused the credentials with a code, or could not be reached.
    pub fn advice(&self, message: &str) -> String {
        match message.split(':').next().unwrap_or_default() {
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => self.renewal(),
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "AWS does not know this access key: it was deleted or deactivated, AWS_SESSION_TOKEN is missing, or \
                 the key is of another partition (set `--aws-region`)"
                    .to_owned()
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                "the secret access key is not that of the access key ID, or the clock of this machine is wrong"
                    .to_owned()
            }
            code if is_throttled(code) => "run fewer commands on this account at the same time".to_owned(),
            _ => "check the network, the proxy, the region and `--endpoint-url`".to_owned(),
        }
    }

    fn renewal(&self) -> String {
        if self.in_workflow {
            return "assume the role again in this job: the credentials of an earlier step have expired"
                .to_owned();
        }
        if self.has_key_id && self.has_secret {
            return "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new credentials"
                .to_owned();
        }
        match &self.profile {
            Some(profile) if profile.source == ProfileSource::Sso => {
                format!("run `aws sso login --profile {}`", profile.name)
            }
            Some(profile) => format!("renew the credentials of the AWS profile `{}`", profile.name),
            None => "get new credentials".to_owned(),
        }
    }
}

/// The error of a profile whose provider failed.
fn explain_profile(profile: &SelectedProfile, error: &CredentialsError, reason: &str) -> CommandError {
    let name = &profile.name;
    match profile.source {
        ProfileSource::Sso if mentions(error, &ENDED_SESSION) => CommandError::incomplete(format!(
            "the SSO session of the AWS profile `{name}` has expired, or there is none"
        ))
        .with_help(format!("run `aws sso login --profile {name}`")),
        ProfileSource::Sso => {
            CommandError::incomplete(format!("the AWS profile `{name}` gave no credentials: {reason}"))
                .with_help("check its `sso_account_id`, `sso_role_name` and `sso_region`")
        }
        ProfileSource::Login => CommandError::incomplete(format!(
            "the AWS profile `{name}` uses a session of `aws login`, which keytide cannot read"
        ))
        .with_help(format!(
            "export its credentials: `eval \"$(aws configure export-credentials --profile {name} --format env)\"`"
        )),
        ProfileSource::Process => CommandError::incomplete(format!(
            "the `credential_process` of the AWS profile `{name}` failed: {reason}"
        ))
        .with_help("run that program by itself, and correct it"),
        ProfileSource::Other => {
            CommandError::incomplete(format!("the AWS profile `{name}` gave no credentials: {reason}"))
        }
    }
}

/// The error of a key in the environment of which one half is missing.
fn half_pair(given: &str, missing: &str) -> CommandError {
    let message = format!("no AWS credentials were found: {given} is set, and {missing} is not");
    CommandError::incomplete(message).with_help("set both, or neither")
}

/// Loads the credentials of a configuration, and lets all clients use them until they are about to expire.
///
/// # Errors
/// There are none, or the provider failed; the help says what to do.
pub async fn load_credentials(
    config: SdkConfig,
    origin: &CredentialOrigin,
) -> Result<SdkConfig, CommandError> {
    let Some(source) = config.credentials_provider() else { return Err(origin.none_found()) };
    let source = check_credentials(source);
    let loaded = load_from(&source).await.map_err(|error| origin.explain(&error))?;
    Ok(with_held(config, source, loaded))
}

/// As [`load_credentials`], from another provider.
///
/// # Errors
/// The provider failed, for this reason.
pub async fn hold_credentials(
    config: SdkConfig,
    source: impl ProvideCredentials + 'static,
) -> Result<SdkConfig, CredentialsError> {
    let source = check_credentials(source);
    let loaded = load_from(&source).await?;
    Ok(with_held(config, source, loaded))
}

async fn load_from(source: &SharedCredentialsProvider) -> provider::Result {
    // Before the first request, and not as a part of it: each attempt of a request has a time limit, so that a slow
    // program would be started again and again.
    let loaded = tokio::time::timeout(LOAD_TIMEOUT, source.provide_credentials()).await;
    loaded.unwrap_or(Err(CredentialsError::provider_timed_out(LOAD_TIMEOUT)))
}

fn with_held(config: SdkConfig, source: SharedCredentialsProvider, loaded: Credentials) -> SdkConfig {
    let held = HeldCredentials { source, held: Mutex::new(loaded) };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(held)).build()
}

/// Credentials that were loaded, and the provider of their successors.
#[derive(Debug)]
struct HeldCredentials {
    source: SharedCredentialsProvider,
    held: Mutex<Credentials>,
}

impl HeldCredentials {
    async fn current(&self) -> provider::Result {
        // The lock is not held across the request: two clients may both load new credentials, which harms nothing
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if is_fresh(&held) {
            return Ok(held);
        }
        let next = self.source.provide_credentials().await?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        Ok(next)
    }
}

fn is_fresh(credentials: &Credentials) -> bool {
    let Some(end) = credentials.expiry() else { return true };
    // An end that no timestamp can hold is thousands of years away
    let end = Timestamp::try_from(end).unwrap_or(Timestamp::MAX);
    end > clock::system_time() + EXPIRY_MARGIN
}

impl ProvideCredentials for HeldCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}
