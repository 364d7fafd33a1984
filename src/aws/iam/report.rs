//! Reads the credential report from IAM, and orders one if there is none.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::ReportStateType;
use jiff::{SignedDuration, Timestamp};

use super::IamClient;
use crate::aws::error::AwsError;
use crate::iam::{ReadFault, credential_report};
use crate::rotation::timing::is_plausible;
use crate::system::clock;

/// AWS generates a new credential report at most every four hours (IAM user guide).
const REPORT_AGE: SignedDuration = SignedDuration::from_hours(4);
/// An older report is used if it is not older than this and AWS accepts no order for a new one.
const MAX_REPORT_AGE: SignedDuration = SignedDuration::from_hours(24);
/// How long the audit waits for a new report, in seconds between two requests.
const REPORT_WAITS: [u64; 9] = [1, 1, 2, 2, 4, 5, 10, 15, 20];
const ORDER: &str = "iam:GenerateCredentialReport";

/// A report, and when AWS generated it.
type DatedReport = (Vec<u8>, Timestamp);

/// The reply to an order.
enum OrderReply {
    /// AWS is generating a report.
    Started,
    /// The report that AWS has is young enough to be the newest.
    Complete,
    /// AWS accepts no order now, for this reason.
    LimitReached(String),
}

/// Why the credential report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The role may not read it, which can be intended.
    #[error("{}", .0.message)]
    AccessDenied(ReadFault),
    #[error("{}", .0.message)]
    Failed(ReadFault),
}

impl ReportError {
    fn from_sdk<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let error = AwsError::from_read(operation, error);
        let is_denied = error.is_access_denied;
        let fault = error.into_read_fault(None);
        if is_denied { Self::AccessDenied(fault) } else { Self::Failed(fault) }
    }

    pub fn into_fault(self) -> ReadFault {
        match self {
            Self::AccessDenied(fault) | Self::Failed(fault) => fault,
        }
    }
}

impl IamClient {
    /// The credential report, and when AWS generated it. If there is none, one is ordered. `on_wait` is called before
    /// each wait for AWS.
    ///
    /// # Errors
    /// The report cannot be read or is not ready in about a minute, or AWS accepts no order.
    pub async fn credential_report(&self, on_wait: &dyn Fn()) -> Result<DatedReport, ReportError> {
        let mut found = self.read_report().await?;
        if let Some(report) = found.take_if(|report| report_age(report) <= REPORT_AGE) {
            return Ok(report);
        }
        let mut reason = "the report was not ready within a minute".to_owned();
        // A repeated order is harmless: AWS goes on with the report that it is generating.
        for wait in REPORT_WAITS {
            match self.order_report().await? {
                OrderReply::Started => {
                    let report = self.read_report().await?;
                    if let Some(report) = report.filter(|report| report_age(report) <= REPORT_AGE) {
                        return Ok(report);
                    }
                }
                // AWS knows that the report is the newest. Its age by the clock of this machine does not count.
                OrderReply::Complete => {
                    if let Some(report) = self.read_report().await? {
                        return Ok(report);
                    }
                }
                OrderReply::LimitReached(message) => {
                    if let Some(report) = found.take_if(|report| report_age(report) <= MAX_REPORT_AGE) {
                        return Ok(report);
                    }
                    reason = format!("AWS accepts no order for a new report now ({message})");
                }
            }
            on_wait();
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        let message = format!("{reason}; try again later, or use `--source iam`");
        Err(ReportError::Failed(ReadFault { user: None, operation: ORDER.to_owned(), message }))
    }

    async fn order_report(&self) -> Result<OrderReply, ReportError> {
        match self.client.generate_credential_report().send().await {
            Ok(reply) if reply.state() == Some(&ReportStateType::Complete) => Ok(OrderReply::Complete),
            Ok(_) => Ok(OrderReply::Started),
            Err(error) if matches!(error.code(), Some("LimitExceeded" | "LimitExceededException")) => {
                Ok(OrderReply::LimitReached(AwsError::from_read(ORDER, &error).message))
            }
            Err(error) => Err(ReportError::from_sdk(ORDER, &error)),
        }
    }

    /// Reads the report; `None`: there is none, it has expired, or AWS is still generating it.
    async fn read_report(&self) -> Result<Option<DatedReport>, ReportError> {
        let reply = match self.client.get_credential_report().send().await {
            Err(error)
                if matches!(
                    error.code(),
                    Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")
                ) =>
            {
                return Ok(None);
            }
            reply => reply.map_err(|error| ReportError::from_sdk(credential_report::OPERATION, &error))?,
        };
        let made_at = reply.generated_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
        let made_at = made_at.filter(|at| is_plausible(*at));
        match (reply.content(), made_at) {
            (Some(content), Some(made_at)) => Ok(Some((content.as_ref().to_vec(), made_at))),
            _ => Err(ReportError::Failed(ReadFault {
                user: None,
                operation: credential_report::OPERATION.to_owned(),
                message: "the reply has no report".to_owned(),
            })),
        }
    }
}

fn report_age((_, made_at): &DatedReport) -> SignedDuration {
    clock::system_time().duration_since(*made_at)
}
