//! Connects commands to AWS and GitHub: credentials, endpoints, the repository's ID, and the async runtime.

use std::path::Path;

use secrecy::SecretString;

use super::cli::AwsArgs;
use super::cli::values::{self, InvalidValue};
use super::context::Context;
use crate::aws::connect::AwsAccess;
use crate::error::CommandError;
use crate::github::oidc;
use crate::policy::RoleArn;
use crate::ports::{BackendError, ErrorKind};
use crate::repository::RepositoryIdentity;
use crate::system::{files, process_hardening};

/// The variables that may hold a token for GitHub, the input of the action first.
const TOKEN_VARIABLES: [&str; 3] = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN", "GH_TOKEN"];
/// The largest file of certificates that is read; that of a system has about 200,000 bytes.
const MAX_CERTIFICATES_BYTES: usize = 16 * 1024 * 1024;
const DEFAULT_GITHUB_API_URL: &str = "https://api.github.com";

/// Runs a future that uses the network to its end. The only place that builds a runtime.
pub fn run_async<T>(context: &Context<'_>, future: impl Future<Output = T>) -> Result<T, CommandError> {
    ensure_certificates_are_bounded(context)?;
    // Before any secret is in memory: an audit reads the credential that a store holds, too.
    if let Err(reason) = process_hardening::keep_private() {
        context.warn(&format!("cannot disable core dumps, so a crash could write secrets to disk: {reason}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::incomplete(format!("cannot start the async runtime: {error}")))?;
    let output = runtime.block_on(future);
    // Do not wait for idle connections: the result is complete.
    runtime.shutdown_background();
    Ok(output)
}

/// Every client reads the certificates of the system, and takes those of this file for them.
fn ensure_certificates_are_bounded(context: &Context<'_>) -> Result<(), CommandError> {
    let Some(file) = context.environment.get("SSL_CERT_FILE") else { return Ok(()) };
    files::ensure_bounded(Path::new(file), MAX_CERTIFICATES_BYTES).map_err(|reason| {
        CommandError::environment(format!("SSL_CERT_FILE names {file}, which cannot be used: {reason}"))
            .with_help("name a file of certificates in PEM format, or unset the variable")
    })
}

/// Prepares the access to AWS. `trusts_environment`: `AWS_ENDPOINT_URL` and its variants may name the endpoints.
pub async fn prepare_access(
    context: &Context<'_>,
    role: Option<RoleArn>,
    arguments: &AwsArgs,
    trusts_environment: bool,
) -> Result<AwsAccess, CommandError> {
    refuse_profiles_of_working_folder(context)?;
    let web_identity = match &arguments.role_to_assume {
        None => None,
        Some(role) => Some((role.clone(), request_oidc_token(context, role).await?)),
    };
    Ok(AwsAccess {
        environment: context.environment.clone(),
        endpoint_url: context.common.endpoint_url.clone(),
        trusts_environment,
        region: arguments.aws_region.clone(),
        web_identity,
        role,
        timeout: arguments.call_timeout(),
    })
}

/// Without an absolute HOME, the SDK looks for its files below the working folder. A repository that has such a file could
/// name a program there (`credential_process`), which the SDK would run.
fn refuse_profiles_of_working_folder(context: &Context<'_>) -> Result<(), CommandError> {
    let home = context.environment.get("HOME").or(context.environment.get("USERPROFILE")).unwrap_or_default();
    if Path::new(home).is_absolute() {
        return Ok(());
    }
    for folder in [home, "~"] {
        for file in ["config", "credentials"] {
            let path = Path::new(folder).join(".aws").join(file);
            if files::is_present(&path) {
                let message =
                    format!("HOME is not set, and AWS would take its profiles from {}", path.display());
                return Err(CommandError::environment(message).with_help("set HOME to an absolute path"));
            }
        }
    }
    Ok(())
}

/// Requests the workflow's OIDC token, for a role to assume.
pub async fn request_oidc_token(context: &Context<'_>, role: &RoleArn) -> Result<SecretString, CommandError> {
    let url = workflow_variable(context, "ACTIONS_ID_TOKEN_REQUEST_URL")?;
    let token = workflow_variable(context, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
    oidc::oidc_token(url, &SecretString::from(token), oidc_audience(role)).await
}

/// The audience of the tokens for a role. STS has another domain in China, and expects that one in the token.
pub fn oidc_audience(role: &RoleArn) -> &'static str {
    if role.partition() == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" }
}

fn workflow_variable<'c>(context: &'c Context<'_>, name: &str) -> Result<&'c str, CommandError> {
    if let Some(value) = context.environment.get(name) {
        return Ok(value);
    }
    let message = format!("`role-to-assume` needs {name}, which is set in GitHub workflows only");
    if !context.environment.in_github_actions() {
        let help = "leave `--role-to-assume` out here: the credentials of the environment or of the profile are used";
        return Err(CommandError::environment(message).with_help(help));
    }
    let is_pull_request = context.environment.get("GITHUB_EVENT_NAME") == Some("pull_request");
    let help = if is_pull_request {
        "give the job `permissions: id-token: write`; pull requests of forks and of Dependabot get no OIDC token, skip \
         the job for them with `if:`"
    } else {
        "give the job `permissions: id-token: write`"
    };
    Err(CommandError::environment(message).with_help(help))
}

/// Fills in the repository's numeric ID from GitHub, if there is a token. A failure is a warning only: the rule that
/// needs the ID reports that it was skipped.
pub async fn resolve_repository_id(
    context: &Context<'_>,
    repository: RepositoryIdentity,
) -> RepositoryIdentity {
    let token = github_token(context);
    let (None, Some(name), Some(token)) = (repository.id, &repository.name, token) else { return repository };
    let id = match github_api_url(context) {
        Ok(url) => {
            let id = oidc::repository_id(&url, &SecretString::from(token), name).await;
            id.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.message),
    };
    match id {
        Ok(id) => RepositoryIdentity { id: Some(id), ..repository },
        Err(reason) => {
            context.warn(&format!("cannot read the ID of `{name}`: {reason}"));
            repository
        }
    }
}

/// The token for GitHub, if there is one.
pub fn github_token<'c>(context: &'c Context<'_>) -> Option<&'c str> {
    TOKEN_VARIABLES.iter().find_map(|name| context.environment.get(name))
}

/// The token for GitHub, or an error that says how to get one.
pub fn require_github_token<'c>(context: &'c Context<'_>) -> Result<&'c str, CommandError> {
    github_token(context).ok_or_else(|| {
        CommandError::missing_credential("no GitHub token: export GITHUB_TOKEN=$(gh auth token)")
            .with_help("in a workflow, pass the input `github-token`")
    })
}

/// The repository's `OWNER/NAME`, or an error that says how to name it.
pub fn require_repository_name(context: &Context<'_>) -> Result<String, CommandError> {
    context
        .repository_name()
        .ok_or_else(|| CommandError::invalid("the repository is not known: add --repository OWNER/NAME"))
}

/// The URL of GitHub's API.
pub fn github_api_url(context: &Context<'_>) -> Result<String, CommandError> {
    if let Some(url) = &context.common.github_api_url {
        return Ok(url.clone());
    }
    let Some(url) = context.environment.get("GITHUB_API_URL") else {
        return Ok(DEFAULT_GITHUB_API_URL.to_owned());
    };
    values::parse_url(url).map_err(|error: InvalidValue| {
        CommandError::environment("GITHUB_API_URL is not a URL").with_help(error.to_string())
    })
}

/// The error of a read from GitHub, with the permissions to check where GitHub refused it.
pub fn github_read_error(what: &str, failure: &BackendError) -> CommandError {
    let error = CommandError::incomplete(format!("{what} could not be read: {failure}"));
    match failure.kind {
        // Another permission does not help a token that GitHub does not know
        _ if failure.message.contains("(401)") => error.with_help("give a token that is valid: GITHUB_TOKEN"),
        ErrorKind::Rejected | ErrorKind::NotFound => error.with_help(
            "check that the token may read this repository; in a workflow: `permissions: contents: write, pull-requests: write`",
        ),
        _ => error,
    }
}
