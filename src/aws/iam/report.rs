//! Reads the credential report from IAM, and orders one if there is none.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;

use super::IamClient;
use crate::aws::error::AwsError;
use crate::iam::{ReadFault, credential_report};
use crate::system::clock;

/// AWS generates a new credential report at most every four hours (IAM user guide).
const REPORT_AGE: jiff::SignedDuration = jiff::SignedDuration::from_hours(4);
/// How long the audit waits for a new report, in seconds between two requests.
const REPORT_WAITS: [u64; 9] = [1, 1, 2, 2, 4, 5, 10, 15, 20];

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
    /// The credential report, and when AWS generated it. If there is none, one is ordered.
    ///
    /// # Errors
    /// The report cannot be read or is not ready in about a minute.
    pub async fn credential_report(&self) -> Result<(Vec<u8>, Timestamp), ReportError> {
        if let Some(report) = self.finished_report().await? {
            return Ok(report);
        }
        // A repeated order is harmless: AWS goes on with the report that it is generating.
        for wait in REPORT_WAITS {
            self.order_report().await?;
            if let Some(report) = self.finished_report().await? {
                return Ok(report);
            }
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        let message = "the report was not ready within a minute; try again, or use `--source iam`".to_owned();
        let operation = credential_report::OPERATION.to_owned();
        Err(ReportError::Failed(ReadFault { user: None, operation, message }))
    }

    async fn order_report(&self) -> Result<(), ReportError> {
        let answer = self.client.generate_credential_report().send().await;
        answer.map(drop).map_err(|error| ReportError::from_sdk("iam:GenerateCredentialReport", &error))
    }

    /// `None`: there is none, it is too old, or AWS is still generating it.
    async fn finished_report(&self) -> Result<Option<(Vec<u8>, Timestamp)>, ReportError> {
        let answer = match self.client.get_credential_report().send().await {
            Err(error)
                if matches!(
                    error.code(),
                    Some("ReportNotPresent" | "ReportExpired" | "ReportInProgress")
                ) =>
            {
                return Ok(None);
            }
            answer => answer.map_err(|error| ReportError::from_sdk(credential_report::OPERATION, &error))?,
        };
        let made_at = answer.generated_time().and_then(|at| Timestamp::from_second(at.secs()).ok());
        match (answer.content(), made_at) {
            (Some(_), Some(made_at)) if clock::system_time().duration_since(made_at) > REPORT_AGE => Ok(None),
            (Some(content), Some(made_at)) => Ok(Some((content.as_ref().to_vec(), made_at))),
            _ => Err(ReportError::Failed(ReadFault {
                user: None,
                operation: credential_report::OPERATION.to_owned(),
                message: "the reply has no report".to_owned(),
            })),
        }
    }
}
