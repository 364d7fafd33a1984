//! Explains errors of the AWS SDK in AWS's words, for reports: the SDK's own words name its parts, not the cause.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

/// The longest message that is shown, in characters.
const MAX_CHARACTERS: usize = 500;
/// What is shown of a message that may quote a secret: the action and the kind of policy that a refusal for lack of
/// permission is about.
const SHOWN_OF_QUOTING: [&str; 12] = [
    "kms:GenerateDataKey",
    "kms:Encrypt",
    "kms:Decrypt",
    "Access to KMS is not allowed",
    "explicit deny",
    "identity-based policy",
    "resource-based policy",
    "session policy",
    "permissions boundary",
    "service control policy",
    "resource control policy",
    "VPC endpoint policy",
];
/// The longest code, in letters.
const MAX_CODE_LENGTH: usize = 64;
/// A word this long may be a token: no name in a message of AWS is, and the tokens of STS and of GitHub's OIDC are longer.
const MIN_TOKEN_LENGTH: usize = 200;
/// What the SDK writes before a cause that says enough.
const PREFIXES: [&str; 4] = [
    "Error retrieving credentials from external process, ",
    "Error retrieving credentials from external process: ",
    "Error retrieving credentials: ",
    "ProfileFile provider could not be built: ",
];

/// An error of the SDK in a sentence: AWS's own code and words where there are any.
pub fn explain_sdk_error<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(inner) => match inner.err().code() {
            Some(code) => explain_refusal(code, inner.err().message()),
            None => "unexpected reply, not from AWS: check the proxy and the endpoint".to_owned(),
        },
        SdkError::TimeoutError(_) => "no usable answer in time".to_owned(),
        SdkError::ResponseError(_) => {
            "the reply is incomplete, or not from AWS: check the proxy and the endpoint".to_owned()
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => explain_unsent(error),
        _ => "an unknown error of the AWS SDK".to_owned(),
    }
}

/// The same of a request that carries a secret, which AWS, or a proxy in its place, may quote: the code, and of the message
/// only words of a fixed list.
pub fn explain_quoting_error<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    if let SdkError::ServiceError(inner) = error
        && let Some(code) = inner.err().code()
    {
        return explain_quoting_refusal(code, inner.err().message());
    }
    // Of any other error no text of the reply is shown
    explain_sdk_error(error)
}

fn explain_quoting_refusal(code: &str, message: Option<&str>) -> String {
    // Any text can be in its place
    if code.len() > MAX_CODE_LENGTH || !code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return "an error with a code that is not AWS's".to_owned();
    }
    let said = message.unwrap_or_default();
    let shown: Vec<&str> = SHOWN_OF_QUOTING.into_iter().filter(|words| said.contains(words)).collect();
    if shown.is_empty() {
        return explain_refusal(code, None);
    }
    explain_refusal(code, Some(&format!("… {} …", shown.join(" … "))))
}

/// Whether AWS refused because there were too many requests (the codes that all services share).
pub fn is_throttled(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "SlowDown"
            | "PriorRequestNotComplete"
            | "BandwidthLimitExceeded"
    )
}

/// Why a provider gave no credentials, in its own words or in AWS's.
pub fn explain_credentials_error(error: &CredentialsError) -> String {
    if is_without_credentials(error) {
        return "no AWS credentials were found (environment, profile, web identity, container, instance)"
            .to_owned();
    }
    explain_cause(error)
}

/// Whether the reason is that no provider has any. The service that gives an EC2 instance its credentials counts as
/// such: other clouds have a service at its address, which answers with an error.
pub fn is_without_credentials(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::CredentialsNotLoaded(_))
        || causes(error)
            .any(|cause| cause.downcast_ref::<aws_config::imds::client::error::ImdsError>().is_some())
}

fn explain_refusal(code: &str, message: Option<&str>) -> String {
    let said = match message {
        Some(message) => format!("{code}: {}", shorten_message(message)),
        None => code.to_owned(),
    };
    if is_throttled(code) {
        format!("{said}; AWS throttles the requests of this account, try again in some minutes")
    } else {
        said
    }
}

/// A request that was not sent: it could not be built or signed, or there was no connection.
fn explain_unsent(error: &(dyn StdError + 'static)) -> String {
    match causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        Some(failure) => explain_credentials_error(failure),
        None => explain_cause(error),
    }
}

/// The innermost cause. The errors around it only say in which part of the SDK something failed.
fn explain_cause(error: &(dyn StdError + 'static)) -> String {
    // AWS's own refusal says more than the innermost cause, wherever it is among the others
    for cause in causes(error) {
        if let Some(refused) = cause.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return explain_sdk_error(refused);
        }
        if let Some(refused) = cause.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>()
        {
            return explain_sdk_error(refused);
        }
        if let Some(refused) = cause.downcast_ref::<ErrorMetadata>()
            && let Some(code) = refused.code()
        {
            return explain_refusal(code, refused.message());
        }
    }
    let innermost = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let text =
        PREFIXES.iter().fold(innermost.as_str(), |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    // The words of `hyper-util` for a connection that could not be made
    let is_connection = causes(error).any(|cause| cause.to_string().contains("client error (Connect)"));
    if text.contains("UnknownIssuer") {
        return "the server's certificate is of an authority that this system does not know; if a proxy inspects \
                the traffic, name the file of its authority's certificate in AWS_CA_BUNDLE"
            .to_owned();
    }
    if let Some(reason) = text.strip_prefix("invalid peer certificate: ") {
        return format!("the server's certificate is not valid: {}", shorten_message(reason));
    }
    if is_connection { format!("no connection: {}", shorten_message(text)) } else { shorten_message(text) }
}

/// The causes of an error, the outermost first.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// On one line, and not too long.
fn shorten_message(text: &str) -> String {
    let text = mask_tokens(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if text.chars().count() <= MAX_CHARACTERS {
        text
    } else {
        text.chars().take(MAX_CHARACTERS - 1).chain(['…']).collect()
    }
}

/// A text with `…` in the place of what may be a token: AWS quotes the session token of a request whose signature it
/// rejects, and STS the token of OIDC. Each is longer than any name that a message has.
fn mask_tokens(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_token_char) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|c: char| !is_token_char(c)).unwrap_or(run.len());
        masked.push_str(before);
        masked.push_str(if end < MIN_TOKEN_LENGTH { &run[..end] } else { "…" });
        rest = &run[end..];
    }
    masked + rest
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_-.%".contains(c)
}

/// Whether an error, or one of its causes, has one of these words.
pub fn mentions(error: &(dyn StdError + 'static), words: &[&str]) -> bool {
    causes(error).any(|cause| {
        let text = cause.to_string();
        words.iter().any(|word| text.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_quoted_request_is_shown() {
        let request = r#"{"SecretString":"{\"secret\":\"wJalrXUt\"}"}"#;
        let denied = format!("not authorized to perform: kms:Decrypt with an explicit deny: {request}");
        for (code, message, shown) in [
            ("AccessDeniedException", &*denied, "AccessDeniedException: … kms:Decrypt … explicit deny …"),
            ("InvalidKeyId", request, "InvalidKeyId"),
            (request, request, "an error with a code that is not AWS's"),
        ] {
            assert_eq!(explain_quoting_refusal(code, Some(message)), shown);
        }
        assert!(explain_quoting_refusal("ThrottlingException", None).contains("try again in some minutes"));
    }

    #[test]
    fn a_token_in_a_message_is_masked() {
        let token = format!("IQoJb3JpZ2luX2VjE{}", "a1+/".repeat(90));
        let said = format!("The Canonical String was 'x-amz-security-token:{token} host:iam.amazonaws.com'");
        assert_eq!(
            shorten_message(&said),
            "The Canonical String was 'x-amz-security-token:… host:iam.amazonaws.com'"
        );
        let jwt =
            format!("Token eyJhbGciOiJSUzI1NiJ9.{}.{}_- was refused", "eyJ".repeat(90), "c2ln".repeat(80));
        assert_eq!(shorten_message(&jwt), "Token … was refused");
        let arn = format!("arn:aws:iam::123456789012:role/{}/r is not authorized", "path/of/teams".repeat(9));
        assert_eq!(shorten_message(&arn), arn);
    }
}
