//! Maps errors of the AWS SDK to what a command reports and to what a rotation does next.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};

use super::explain::{explain_quoting_error, explain_sdk_error, is_throttled};
use crate::iam::ReadFault;
use crate::ports::{BackendError, ErrorKind};

/// A request to AWS that failed, or a reply that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// As a policy names it: `iam:ListAccessKeys`.
    pub operation: &'static str,
    /// What is known of the request.
    pub kind: ErrorKind,
    /// AWS refused for lack of permission.
    pub is_access_denied: bool,
    pub message: String,
}

impl AwsError {
    /// The error of a request that only reads.
    pub fn from_read<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        Self::from_sdk(operation, error, false)
    }

    /// The error of a request that writes: without a clear refusal it may have been applied.
    pub fn from_write<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        Self::from_sdk(operation, error, true)
    }

    fn from_sdk<E>(operation: &'static str, error: &SdkError<E, HttpResponse>, writes: bool) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        Self {
            operation,
            kind: classify_sdk_error(error, writes),
            is_access_denied: error.code().is_some_and(is_access_denied),
            message: explain_sdk_error(error),
        }
    }

    /// A reply to a request that only reads, without the answer to it.
    pub fn unexpected_reply(operation: &'static str, what: &str) -> Self {
        Self {
            operation,
            kind: ErrorKind::NotApplied,
            is_access_denied: false,
            message: format!("unexpected reply from AWS: {what}"),
        }
    }

    /// A reply to a request that writes, without the answer to it: the request may have been applied.
    pub fn unexpected_write_reply(operation: &'static str, what: &str) -> Self {
        Self { kind: ErrorKind::Indeterminate, ..Self::unexpected_reply(operation, what) }
    }

    /// A request that the SDK could not build, so that nothing was sent.
    pub fn invalid_request(operation: &'static str, why: &str) -> Self {
        Self { operation, kind: ErrorKind::NotApplied, is_access_denied: false, message: why.to_owned() }
    }

    /// The same as an audit reports it.
    pub fn into_read_fault(self, user: Option<&str>) -> ReadFault {
        let advice = if self.is_access_denied {
            "; `keytide iam-policy --for audit` prints the permissions"
        } else {
            ""
        };
        ReadFault {
            user: user.map(str::to_owned),
            operation: self.operation.to_owned(),
            message: format!("{}{advice}", self.message),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.message)
    }
}

impl StdError for AwsError {}

impl From<AwsError> for BackendError {
    fn from(error: AwsError) -> Self {
        Self { is_access_denied: error.is_access_denied, ..Self::new(error.kind, error.to_string()) }
    }
}

/// Whether an AWS error code means that a permission is missing.
pub fn is_access_denied(code: &str) -> bool {
    code.starts_with("AccessDenied")
}

/// Maps an error of the SDK. `writes`: the request may have been applied unless AWS says that it was not.
pub fn to_backend_error<E>(operation: &str, error: &SdkError<E, HttpResponse>, writes: bool) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    describe_sdk_error(error, writes, format!("{operation}: {}", explain_sdk_error(error)))
}

/// The same of a request that carries a secret: nothing is shown that could quote it.
pub fn to_quoting_error<E>(operation: &str, error: &SdkError<E, HttpResponse>, writes: bool) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    describe_sdk_error(error, writes, format!("{operation}: {}", explain_quoting_error(error)))
}

fn describe_sdk_error<E>(error: &SdkError<E, HttpResponse>, writes: bool, message: String) -> BackendError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    BackendError {
        kind: classify_sdk_error(error, writes),
        is_access_denied: error.code().is_some_and(is_access_denied),
        message,
    }
}

fn classify_sdk_error<E>(error: &SdkError<E, HttpResponse>, writes: bool) -> ErrorKind
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let lost = if writes { ErrorKind::Indeterminate } else { ErrorKind::NotApplied };
    match error {
        SdkError::ConstructionFailure(_) => ErrorKind::NotApplied,
        // Without credentials nothing is sent.
        SdkError::DispatchFailure(failure) if failure.is_user() => ErrorKind::NotApplied,
        SdkError::ServiceError(inner) => match inner.err().code() {
            // A server that fails after it has applied a request answers with 5xx as well.
            _ if inner.raw().status().is_server_error() => lost,
            Some(code) => classify_code(code),
            None => lost,
        },
        _ => lost,
    }
}

/// What a refusal by AWS means (the service models, and the codes that all services share).
fn classify_code(code: &str) -> ErrorKind {
    match code {
        "NoSuchEntity" | "NoSuchEntityException" | "ResourceNotFoundException" => ErrorKind::NotFound,
        code if is_throttled(code) => ErrorKind::NotApplied,
        "EntityTemporarilyUnmodifiable" | "ConcurrentModification" => ErrorKind::NotApplied,
        // The run's own credentials have ended, or are not known everywhere yet: another run has others.
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException" => ErrorKind::NotApplied,
        _ => ErrorKind::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_differs_from_what_will_pass() {
        assert_eq!(classify_code("NoSuchEntity"), ErrorKind::NotFound);
        assert_eq!(classify_code("Throttling"), ErrorKind::NotApplied);
        assert_eq!(classify_code("LimitExceeded"), ErrorKind::Rejected);
        assert_eq!(classify_code("AccessDenied"), ErrorKind::Rejected);
    }
}
