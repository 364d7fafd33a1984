//! Checks that a command may write, before it makes any request.

use url::{Host, Url};

use crate::commands::connection;
use crate::commands::context::Context;
use crate::error::CommandError;
use crate::rotation::journal::is_plausible;

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
        let message = format!("a workflow started by `{event}` may not change keys");
        return Err(CommandError::environment(message)
            .with_help("start the workflow by `schedule` or `workflow_dispatch`"));
    }
    ensure_now_is_for_tests(context)?;
    for name in ENDPOINT_VARIABLES {
        if environment.get(name).is_some() {
            context.warn(&format!("{name} is ignored by commands that write; use `--endpoint-url`"));
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

/// Whether a URL names this machine, without a name lookup.
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_loopback_address_is_recognized_by_its_host() {
        for here in ["http://127.0.0.1:5000", "http://localhost/x", "https://[::1]:8", "http://127.9.9.9"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "https://iam.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "http://localhost:80@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "http://evil.example/127.0.0.1",
            "http://evil.example#@localhost",
            "http://[::1].example.com",
            "http://127.example.com/",
            "127.0.0.1",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
