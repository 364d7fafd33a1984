//! Checks that a command may write, before it makes any request.

use crate::commands::connection;
use crate::commands::context::Context;
use crate::error::CommandError;
use crate::rotation::timing::is_plausible;

use crate::system::loopback::is_loopback;

/// The AWS SDK logs the bodies of requests and replies, secrets included, where this is set and a logger is installed.
const LOG_BODIES_VARIABLE: &str = "LOG_SENSITIVE_BODIES";
/// Variables that would send requests that change keys to another server.
const ENDPOINT_VARIABLES: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_STS",
];
/// The events that no pull request can trigger. A schedule runs the workflow of the default branch. A manual dispatch can
/// name any branch, so the role's trust policy restricts which branch may assume the role.
const TRUSTED_EVENTS: [&str; 2] = ["schedule", "workflow_dispatch"];

/// Refuses a run that may not write, with exit code 2.
pub fn ensure_may_write(context: &Context<'_>) -> Result<(), CommandError> {
    let environment = context.environment;
    if environment.get(LOG_BODIES_VARIABLE).is_some() {
        let message = format!("{LOG_BODIES_VARIABLE} is set, so the AWS SDK could log secrets");
        return Err(CommandError::environment(message).with_help("unset it"));
    }
    if let Some(event) = environment.get("GITHUB_EVENT_NAME")
        && !TRUSTED_EVENTS.contains(&event)
    {
        let message = format!("a workflow started by `{event}` may not change keys or propose changes");
        return Err(CommandError::environment(message)
            .with_help("start the workflow by `schedule` or `workflow_dispatch`"));
    }
    ensure_now_is_for_tests(context)?;
    for name in ENDPOINT_VARIABLES {
        if environment.get(name).is_some() {
            let advice = if context.common.endpoint_url.is_some() { "" } else { "; use `--endpoint-url`" };
            context.warn(&format!("{name} is ignored by commands that write{advice}"));
        }
    }
    Ok(())
}

/// A wrong time would skip the waiting periods that protect a key in use.
fn ensure_now_is_for_tests(context: &Context<'_>) -> Result<(), CommandError> {
    let Some(now) = context.common.now else { return Ok(()) };
    let is_local_aws = context.common.endpoint_url.as_deref().is_some_and(is_loopback);
    if !is_local_aws || !is_loopback(&connection::github_api_url(context)?) {
        let message = "`--now` with a command that writes is for tests";
        return Err(CommandError::invalid(message)
            .with_help("add an `--endpoint-url` and a `--github-api-url` with a loopback address"));
    }
    if !is_plausible(now) {
        return Err(CommandError::invalid(format!("`--now` is out of range: {now}")));
    }
    Ok(())
}
