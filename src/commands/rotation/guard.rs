//! What must hold before a command that writes reaches anything.

use crate::commands::{Context, audit::live};
use crate::error::CommandError;
use crate::rotation::journal::is_plausible;

/// The AWS SDK prints the bodies of requests and replies, secrets included, where this is set and somebody logs.
const LOG_BODIES_VARIABLE: &str = "LOG_SENSITIVE_BODIES";
/// Variables that would send requests that change keys elsewhere.
const ENDPOINT_VARIABLES: [&str; 5] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_STS",
];
/// The events that no pull request causes. A schedule runs the default branch's workflow, a person who dispatches chooses
/// the branch: the role's trust policy says which one may assume it.
const TRUSTED_EVENTS: [&str; 2] = ["schedule", "workflow_dispatch"];

/// # Errors
/// This run may not write: exit code 2, and nothing was reached.
pub fn ensure_may_write(context: &Context<'_>) -> Result<(), CommandError> {
    let environment = context.environment;
    if environment.get(LOG_BODIES_VARIABLE).is_some() {
        return Err(CommandError::invalid(format!(
            "{LOG_BODIES_VARIABLE} is set, which shows secrets in logs"
        ))
        .with_help("unset it"));
    }
    if let Some(event) = environment.get("GITHUB_EVENT_NAME").filter(|event| !TRUSTED_EVENTS.contains(event))
    {
        let what = format!("a workflow started by `{event}` may not change keys");
        return Err(CommandError::invalid(what).with_help("start it by `schedule` or `workflow_dispatch`"));
    }
    let endpoint = context.common.endpoint_url.as_deref();
    if context.common.now.is_some()
        && !(endpoint.is_some_and(is_loopback) && is_loopback(live::github_api_url(context)))
    {
        let what = "`--now` with a command that writes is for tests";
        return Err(CommandError::invalid(what)
            .with_help("give it with an `--endpoint-url` and a `--github-api-url` on a loopback address"));
    }
    if let Some(now) = context.common.now.filter(|now| !is_plausible(*now)) {
        return Err(CommandError::invalid(format!("nobody rotates keys at {now}")));
    }
    for name in ENDPOINT_VARIABLES.iter().filter(|name| environment.get(name).is_some()) {
        context.warn(&format!("{name} is ignored by commands that write; `--endpoint-url` is not"));
    }
    Ok(())
}

/// Whether an address leads to this machine, by its form alone.
fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(rest) = authority.strip_prefix("[::1]") {
        return rest.is_empty() || rest.starts_with(':');
    }
    let host = authority.split(':').next().unwrap_or_default();
    let numbers = host.split('.').collect::<Vec<_>>();
    let is_v4 = numbers.len() == 4 && numbers.iter().all(|number| number.parse::<u8>().is_ok());
    host == "localhost" || (is_v4 && numbers.first() == Some(&"127"))
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn a_loopback_address_is_told_by_its_form() {
        for here in ["http://127.0.0.1:5000", "http://localhost/x", "https://[::1]:8", "http://127.9.9.9"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "https://iam.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "http://[::1].example.com",
            "http://127.example.com/",
            "127.0.0.1",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
