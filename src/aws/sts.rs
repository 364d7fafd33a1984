//! Asks AWS STS who a credential belongs to: before the first request to an account, and to test a new key.

use aws_sdk_sts::Client;

use super::error::AwsError;
use crate::policy::scalar::{AccountId, Scalar};

/// Who a credential belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerRecord {
    /// Twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
    pub arn: String,
    /// The unique ID of the user or of the role's session.
    pub user_id: String,
}

/// Sends `sts:GetCallerIdentity`, which needs no permission.
///
/// # Errors
/// The request failed, or the reply lacks the account, the ARN or the ID.
pub async fn get_caller(client: &Client) -> Result<CallerRecord, AwsError> {
    const OPERATION: &str = "sts:GetCallerIdentity";
    let reply = client.get_caller_identity().send().await;
    let reply = reply.map_err(|error| AwsError::from_read(OPERATION, &error))?;
    let account = reply.account().unwrap_or_default();
    let partition = reply.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or_default();
    // The account is compared with the policy's next, so a reply without a real one is refused
    if AccountId::parse(account).is_err() || !partition.starts_with("aws") {
        return Err(AwsError::unexpected_reply(OPERATION, "it names no account: is this AWS?"));
    }
    let Some(user_id) = reply.user_id() else {
        return Err(AwsError::unexpected_reply(OPERATION, "it has no user ID"));
    };
    Ok(CallerRecord {
        account: account.to_owned(),
        partition: partition.to_owned(),
        arn: reply.arn().unwrap_or_default().to_owned(),
        user_id: user_id.to_owned(),
    })
}
